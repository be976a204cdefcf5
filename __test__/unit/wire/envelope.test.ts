import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { systemRandom } from "../../../src/core/random.ts";
import { decodeAnnouncement } from "../../../src/wire/announcement.ts";
import {
  envelopeSize,
  MAX_ENVELOPE_BYTES,
  type OpenedEnvelope,
  openEnvelope,
  sealEnvelope,
} from "../../../src/wire/envelope.ts";
import { decodeGoodbye } from "../../../src/wire/goodbye.ts";
import { testSealer } from "../support/sealer.ts";
import { vectors } from "../support/vectors.ts";

interface EnvelopeVector {
  readonly gossip_key_hex: string;
  readonly nonce_hex?: string;
  readonly now: number;
  readonly open_raw: string;
  readonly open_announcement: string;
  readonly opened_type?: string;
  readonly plaintext?: string;
  readonly wire?: string;
  readonly known_peers_count?: number;
}

const NOW = 1_767_225_600;
const KEY_HEX = vectors<EnvelopeVector>("envelopes")[0]?.gossip_key_hex ?? "";
const sealer = testSealer(KEY_HEX);

/** The vectors name fields as the Go peer's source does. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  WGPubKey: "wg_pubkey",
  MeshIP: "mesh_ip",
  WGEndpoint: "wg_endpoint",
  Hostname: "hostname",
  RoutableNetworks: "routable_networks",
  KnownPeers: "known_peers",
};

/** What became of a datagram on our one path, in the words of the vectors. */
function outcome(datagram: Buffer, keyHex: string, nowSeconds: number): string {
  const opened = openEnvelope(datagram, testSealer(keyHex), nowSeconds * 1000);
  if (!opened.ok) return `reject:${opened.stage}`;
  const decoded = decodeAnnouncement(opened.payload);
  if (decoded.ok) return "ok";
  return decoded.stage === "field" ? `reject:field:${decoded.field}` : `reject:${decoded.stage}`;
}

function expectedOutcome(vector: EnvelopeVector): string {
  if (vector.open_announcement === "reject:future") return "reject:too_new";
  // Go's subtraction wraps round here; ours does not, and the message is refused all the same.
  if (vector.plaintext?.includes("9223372036854775807")) return "reject:too_new";
  return vector.open_announcement.replace(/(?<=field:)\w+/, (name) => FIELD_NAMES[name] ?? name);
}

describe("vectors: envelopes", () => {
  test.each(vectors<EnvelopeVector>("envelopes"))("$what", (vector) => {
    const datagram = Buffer.from(vector.wire ?? "");
    expect(outcome(datagram, vector.gossip_key_hex, vector.now)).toBe(expectedOutcome(vector));
    const plaintext = vector.plaintext ?? "";
    const nonce = Buffer.from(datagram.toString().match(/"nonce":"([^"]+)"/)?.[1] ?? "", "base64");
    const random = { bytes: () => nonce, unit: () => 0 };
    const type = datagram.toString().match(/"type":"([^"]+)"/)?.[1] ?? "";
    const sealed = sealEnvelope(type, plaintext, testSealer(vector.gossip_key_hex), random);
    expect(sealed.toString()).toBe(vector.wire);
    expect(envelopeSize(type, Buffer.byteLength(plaintext))).toBe(sealed.length);
  });
});

describe("vectors: envelopes_tolerance_and_malformed", () => {
  const all = vectors<EnvelopeVector>("envelopes_tolerance_and_malformed");

  test.each(all.filter((vector) => vector.wire !== undefined))("$what", (vector) => {
    const datagram = Buffer.from(vector.wire ?? "");
    expect(outcome(datagram, vector.gossip_key_hex, vector.now)).toBe(expectedOutcome(vector));
    if (vector.open_raw !== "ok") return;
    const opened = openEnvelope(datagram, testSealer(vector.gossip_key_hex), vector.now * 1000);
    expect(opened).toMatchObject({ ok: true, type: vector.opened_type });
    expect((opened as OpenedEnvelope).nonce.toString("hex")).toBe(vector.nonce_hex);
  });

  test.each(all.filter((vector) => vector.wire === undefined))("$what", (vector) => {
    const known = Array.from({ length: vector.known_peers_count ?? 0 }, (_, index) => ({
      wg_pubkey: Buffer.alloc(32, index).toString("base64"),
      mesh_ip: `10.9.${index >> 8}.${index & 255}`,
      wg_endpoint: "",
    }));
    const payload = JSON.stringify({ ...validPayload, known_peers: known });
    const datagram = sealEnvelope("ANNOUNCE", payload, sealer, systemRandom);
    expect(outcome(datagram, KEY_HEX, NOW)).toBe(expectedOutcome(vector));
  });
});

const validPayload = {
  protocol: "wgmesh-v1",
  wg_pubkey: "OdniKxrphR8sIfb3Etz0wWEH+hvOW24PDb5sbQ96NcA=",
  mesh_ip: "10.8.44.88",
  wg_endpoint: "203.0.113.5:51820",
  timestamp: NOW,
};

function sealed(payload: unknown): Buffer {
  return sealEnvelope("HELLO", JSON.stringify(payload), sealer, systemRandom);
}

function stageOf(datagram: Buffer): string {
  const opened = openEnvelope(datagram, sealer, NOW * 1000);
  return opened.ok ? "ok" : opened.stage;
}

describe("openEnvelope", () => {
  test("takes exactly 600 s of difference either way, and no more", () => {
    const at = (timestamp: number): string => stageOf(sealed({ ...validPayload, timestamp }));
    expect([at(NOW - 600), at(NOW + 600)]).toEqual(["ok", "ok"]);
    expect([at(NOW - 601), at(NOW + 601)]).toEqual(["too_old", "too_new"]);
  });

  test("refuses what is larger than any message before it reads it", () => {
    expect(stageOf(Buffer.alloc(MAX_ENVELOPE_BYTES + 1, 0x20))).toBe("size");
  });

  test("a wrong type in a duplicate that loses is still an error, as in Go", () => {
    const text = sealed(validPayload).toString();
    expect(stageOf(Buffer.from(`{"type":7,${text.slice(1)}`))).toBe("envelope_json");
  });

  test("null after a value leaves a scalar and empties bytes, as in Go", () => {
    const text = sealed(validPayload).toString().slice(0, -1);
    expect(stageOf(Buffer.from(`${text},"type":null}`))).toBe("ok");
    expect(stageOf(Buffer.from(`${text},"nonce":null}`))).toBe("nonce_size");
  });

  test("any datagram is opened or refused, never thrown at", () => {
    const valid = sealed(validPayload);
    const mutations = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(mutations, fc.nat(valid.length), (edits, length) => {
        const datagram = Buffer.from(valid.subarray(0, length));
        for (const [at, byte] of edits) if (at < length) datagram[at] = byte;
        expect(typeof stageOf(datagram)).toBe("string");
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => stageOf(Buffer.from(bytes)) !== "ok"),
    );
  });

  test("any payload, sealed correctly, is decoded or refused, never thrown at", () => {
    const fields = [
      "wg_pubkey",
      "hostname",
      "mesh_ip",
      "mesh_ipv6",
      "wg_endpoint",
      "introducer",
      "known_peers",
    ];
    const names = fc.constantFrom(
      ...fields,
      "routable_networks",
      "nat_type",
      "instance",
      "observed_endpoint",
    );
    const changes = fc.dictionary(names, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(changes, (change) => {
        const opened = openEnvelope(sealed({ ...validPayload, ...change }), sealer, NOW * 1000);
        if (!opened.ok) throw new Error(`refused at ${opened.stage}`);
        const decoded = decodeAnnouncement(opened.payload);
        seen.add(decoded.ok ? "ok" : decoded.stage);
        decodeGoodbye(opened.payload, NOW * 1000);
      }),
      { numRuns: 2000 },
    );
    expect(seen).toEqual(new Set(["ok", "announcement_json", "field"]));
  });
});
