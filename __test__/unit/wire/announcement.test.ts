import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeAnnouncement,
  encodeAnnouncement,
  MAX_DATAGRAM_BYTES,
} from "../../../src/wire/announcement.ts";
import { envelopeSize } from "../../../src/wire/envelope.ts";
import { type JsonObject, readJson } from "../../../src/wire/json.ts";
import type { Announcement } from "../../../src/wire/types.ts";
import { arbitraryAnnouncement, cidr, keyOf, plainAnnouncement as plain } from "../support/announcements.ts";
import { vectors } from "../support/vectors.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

function decode(payload: string): ReturnType<typeof decodeAnnouncement> {
  return decodeAnnouncement(readJson(payload, NO_LIMIT) as JsonObject);
}

function decoded(payload: string): Announcement {
  const result = decode(payload);
  if (!result.ok) throw new Error(`refused at ${result.stage}`);
  return result.value;
}

describe("vectors: envelopes, decoded and encoded again, give the same text", () => {
  const announcements = vectors<{ plaintext: string; opened_type: string; open_announcement: string }>(
    "envelopes",
  ).filter((vector) => vector.open_announcement === "ok");

  test.each(announcements)("$what", ({ plaintext }) => {
    expect(encodeAnnouncement("HELLO", decoded(plaintext), NO_LIMIT).payload).toBe(plaintext);
  });
});

describe("the age of a mention", () => {
  const ageOf = (age: string): number | undefined => {
    const known = `{"wg_pubkey":"${keyOf(2)}","mesh_ip":"10.0.0.2","wg_endpoint":""${age}}`;
    const sender = `"wg_pubkey":"${keyOf(1)}","mesh_ip":"10.0.0.1","wg_endpoint":""`;
    const text = `{"protocol":"wgmesh-v1","timestamp":1,${sender},"known_peers":[${known}]}`;
    return decoded(text).knownPeers[0]?.ageSeconds;
  };

  test.each([
    [`,"age":7`, 7],
    [`,"age":86400`, 86_400],
    ["", undefined],
    [`,"age":null`, undefined],
    [`,"age":0`, undefined],
    [`,"age":-5`, undefined],
    [`,"age":86401`, undefined],
    [`,"age":9223372036854775807`, undefined],
  ])("%j is %s", (text, age) => {
    expect(ageOf(text)).toBe(age);
  });
});

describe("decodeAnnouncement", () => {
  const withField = (name: string, value: unknown): string => {
    const members = { wg_pubkey: keyOf(1), mesh_ip: "10.0.0.1", wg_endpoint: "", [name]: value };
    return JSON.stringify({ protocol: "wgmesh-v1", timestamp: 1, ...members });
  };

  test("four spellings of a key are one key (weak point 16)", () => {
    const key = keyOf(1);
    const spare = `${key.slice(0, 42)}${String.fromCharCode((key.codePointAt(42) ?? 0) + 1)}=`;
    const spellings = [
      key,
      spare,
      `${key.slice(0, 9)}\n${key.slice(9)}`,
      `${key.slice(0, 9)}\r\n${key.slice(9)}`,
    ];
    expect(new Set(spellings).size).toBe(4);
    const keys = spellings.map((spelling) => decoded(withField("wg_pubkey", spelling)).publicKey);
    expect(new Set(keys)).toEqual(new Set([key]));
  });

  test("addresses and networks come out canonical", () => {
    expect(decoded(withField("mesh_ip", "::ffff:10.1.2.3")).meshIp).toBe("10.1.2.3");
    expect(decoded(withField("mesh_ipv6", "FD00:0:0::1")).meshIpv6).toBe("fd00::1");
    expect(decoded(withField("routable_networks", ["192.168.1.77/24"])).networks).toEqual(["192.168.1.0/24"]);
  });

  test("fields the Go peer does not check say nothing when they make no sense", () => {
    expect(decoded(withField("mesh_ipv6", "not an address")).meshIpv6).toBeNull();
    expect(decoded(withField("nat_type", "banana")).natType).toBe("");
    expect(decoded(withField("instance", "0123456789ABCDEF")).instance).toBe("");
  });

  test("names the field that broke its rule", () => {
    const bad = withField("known_peers", [{ wg_pubkey: keyOf(2), mesh_ip: "10.0.0.2" }, { wg_pubkey: "x" }]);
    expect(decode(bad)).toEqual({ ok: false, stage: "field", field: "known_peers[1]" });
    expect(decode(withField("hostname", "a\tb"))).toEqual({ ok: false, stage: "field", field: "hostname" });
  });
});

describe("encodeAnnouncement", () => {
  test("what it encodes decodes to the same", () => {
    fc.assert(
      fc.property(arbitraryAnnouncement, (announcement) => {
        const { payload, knownPeersUsed } = encodeAnnouncement("HELLO", announcement, NO_LIMIT);
        expect(knownPeersUsed).toBe(announcement.knownPeers.length);
        expect(decoded(payload)).toEqual(announcement);
      }),
    );
  });

  test("fits as many known peers as the datagram takes, and tells how many", () => {
    fc.assert(
      fc.property(arbitraryAnnouncement, fc.integer({ min: 200, max: 4000 }), (announcement, limit) => {
        const { payload, knownPeersUsed } = encodeAnnouncement("ANNOUNCE", announcement, limit);
        const all = announcement.knownPeers;
        expect(decoded(payload).knownPeers).toEqual(all.slice(0, knownPeersUsed));
        if (knownPeersUsed > 0) expect(envelopeSize("ANNOUNCE", payload.length)).toBeLessThanOrEqual(limit);
        if (knownPeersUsed === all.length) return;
        const oneMore = { ...announcement, knownPeers: all.slice(0, knownPeersUsed + 1) };
        const larger = encodeAnnouncement("ANNOUNCE", oneMore, NO_LIMIT).payload;
        expect(envelopeSize("ANNOUNCE", larger.length)).toBeGreaterThan(limit);
      }),
    );
  });

  test("a limit that just fits takes the last peer, one byte less does not", () => {
    const sizeOf = (count: number): number => {
      const all = { ...plain, knownPeers: Array.from({ length: count }, () => plain) };
      return envelopeSize("REPLY", encodeAnnouncement("REPLY", all, NO_LIMIT).payload.length);
    };
    const many = { ...plain, knownPeers: Array.from({ length: 30 }, () => plain) };
    for (let count = 1; count <= 20; count++) {
      expect(encodeAnnouncement("REPLY", many, sizeOf(count)).knownPeersUsed).toBe(count);
      expect(encodeAnnouncement("REPLY", many, sizeOf(count) - 1).knownPeersUsed).toBe(count - 1);
    }
  });

  test("by default a datagram passes every IPv6 link", () => {
    const knownPeers = Array.from({ length: 50 }, (_, index) => ({ ...plain, publicKey: keyOf(index) }));
    const { payload, knownPeersUsed } = encodeAnnouncement("HELLO", { ...plain, knownPeers });
    expect(knownPeersUsed).toBeGreaterThanOrEqual(3);
    expect(envelopeSize("HELLO", payload.length)).toBeLessThanOrEqual(MAX_DATAGRAM_BYTES);
  });

  test("sends our own member last, where Go nodes skip it", () => {
    const { payload } = encodeAnnouncement("HELLO", {
      ...plain,
      natType: "cone",
      instance: "0123456789abcdef",
    });
    expect(payload).toMatch(/"nat_type":"cone","instance":"0123456789abcdef"}$/);
  });

  test("tells WireGuard's own port beside a NAT's, and takes none that is no port", () => {
    const { payload } = encodeAnnouncement("HELLO", { ...plain, wireguardPort: 51821 });
    expect(payload).toMatch(/,"wg_port":51821}$/);
    expect(decoded(payload).wireguardPort).toBe(51821);
    for (const port of [0, -1, 65_536, 2 ** 40]) {
      expect(decoded(payload.replace("51821", `${port}`)).wireguardPort).toBeUndefined();
    }
  });

  test("whom the sender knows gives way to what must go in, and others to it", () => {
    const have = { slices: 1, slice: 0, salt: 7, bits: Buffer.alloc(100, 0xa5) };
    const message = { ...plain, have, knownPeers: [plain] };
    const bytesOf = (payload: string): number => envelopeSize("HELLO", payload.length);
    const alone = bytesOf(encodeAnnouncement("HELLO", { ...plain, have }, NO_LIMIT).payload);
    const fits = encodeAnnouncement("HELLO", message, alone + 28);
    expect([fits.knownPeersUsed, decoded(fits.payload).have]).toEqual([0, have]);
    const less = encodeAnnouncement("HELLO", message, alone - 4);
    expect(decoded(less.payload).have).toBeUndefined();
  });

  test("keeps a host name at home that receivers would refuse the message for", () => {
    const { payload } = encodeAnnouncement("HELLO", { ...plain, hostname: "ąžuolas" });
    expect(decoded(payload).hostname).toBe("");
  });

  test("networks go in even where they exceed the limit, since nobody else can tell them", () => {
    const networks = Array.from({ length: 100 }, (_, index) => cidr(`10.200.${index}.0/24`));
    const { payload, knownPeersUsed } = encodeAnnouncement("HELLO", {
      ...plain,
      networks,
      knownPeers: [plain],
    });
    expect(knownPeersUsed).toBe(0);
    expect(decoded(payload).networks).toEqual(networks);
  });
});
