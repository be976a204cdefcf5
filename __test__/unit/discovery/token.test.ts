import { beforeEach, describe, expect, test } from "vitest";
import { encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { openEnvelope, sealEnvelope } from "../../../src/wire/envelope.ts";
import { readJson } from "../../../src/wire/json.ts";
import { memberReader } from "../../../src/wire/members.ts";
import { testMembership } from "../support/membership.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { GOSSIP_PORT, isMesh, type TestNode, testAddresses, testKey, testSealer } from "./memoryMesh.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const HOUR = 3_600_000;
const sealer = testSealer();
const random = seededRandom("sender");
const readToken = memberReader({ token: "bytes", wg_pubkey: "string" });

const mesh = useMemoryMesh();
let node: TestNode;

beforeEach(async () => {
  node = await mesh.start("victim", "192.0.2.1", { membership: testMembership() });
  await mesh.clock.advance(10);
});

function hello(name: string, token?: Uint8Array): Buffer {
  const publicKey = testKey(name);
  const { payload } = encodeAnnouncement("HELLO", {
    publicKey,
    hostname: name,
    meshIp: testAddresses.meshIpv4(publicKey, 0) as never,
    meshIpv6: null,
    wgEndpoint: "198.51.100.7:51820",
    introducer: false,
    networks: [],
    timestampSeconds: Math.floor(mesh.clock.wallMs() / 1000),
    knownPeers: [],
    observedEndpoint: "",
    natType: "",
    instance: "",
    relays: false,
    token,
  });
  return sealEnvelope("HELLO", payload, sealer, random);
}

async function deliver(datagram: Buffer, last: number): Promise<void> {
  mesh.network.inject(
    { host: `198.51.100.${last}`, port: 40_000 },
    { host: "192.0.2.1", port: GOSSIP_PORT },
    datagram,
  );
  await mesh.clock.advance(10);
}

describe("a HELLO", () => {
  const tokenFor = (name: string, offsetHours: number): Uint8Array =>
    testMembership().token(testKey(name), Math.floor(mesh.clock.wallMs() / HOUR) + offsetHours);

  test.each([
    ["without a token, as Go peers send it", () => undefined, true],
    ["with the token of the hour", () => tokenFor("sender", 0), true],
    ["with that of the hour before", () => tokenFor("sender", -1), true],
    ["with that of the next hour", () => tokenFor("sender", 1), true],
    ["with one of two hours ago", () => tokenFor("sender", -2), false],
    ["with the token of another key", () => tokenFor("other", 0), false],
    ["with one of another mesh", () => testMembership("another").token(testKey("sender"), 0), false],
    ["with half a token", () => tokenFor("sender", 0).subarray(0, 16), false],
  ] satisfies [string, () => Uint8Array | undefined, boolean][])("%s", async (_, token, taken) => {
    const before = node.discovery.counters();
    await deliver(hello("sender", token()), 7);
    expect(node.store.get(testKey("sender")) !== undefined).toBe(taken);
    const { tokensRejected = 0 } = node.discovery.counters();
    expect(tokensRejected - (before.tokensRejected ?? 0)).toBe(taken ? 0 : 1);
  });
});

test("every announcement of ours carries the token of its hour, on the LAN too", async () => {
  const other = await mesh.start("other", "192.0.2.2", { membership: testMembership() });
  await mesh.clock.until(() => isMesh([node, other]), 1_000);
  await mesh.clock.advance(HOUR);
  await other.crash();
  const seen = new Map<string, number>();
  const bootedAtMs = mesh.clock.wallMs() - mesh.clock.monotonicMs();
  for (const { data, atMs: sentAtMs } of mesh.network.sent) {
    const atMs = bootedAtMs + sentAtMs;
    const opened = openEnvelope(data, sealer, atMs);
    if (!opened.ok || !["HELLO", "REPLY", "ANNOUNCE"].includes(opened.type)) continue;
    const members = readToken(readJson(opened.plaintext.toString(), 100_000) ?? null);
    const hour = Math.floor(atMs / HOUR);
    const expected = testMembership().token(members?.wg_pubkey as never, hour);
    expect(Buffer.from(expected).equals(members?.token ?? Buffer.alloc(0))).toBe(true);
    seen.set(opened.type, (seen.get(opened.type) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual(["ANNOUNCE", "HELLO", "REPLY"]);
});
