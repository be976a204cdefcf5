/** Who asks tells whom it knows, and who answers names the others. */
import { expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { Announcer } from "../../../src/discovery/announcer.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { decodeAnnouncement, encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { openEnvelope, sealEnvelope } from "../../../src/wire/envelope.ts";
import type { Announcement } from "../../../src/wire/types.ts";
import { plainAnnouncement } from "../support/announcements.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { GOSSIP_PORT, ownWords, TestNode, testAddresses, testKey, testSealer } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

const clock = new FakeClock();
const sealer = testSealer();

function nodeThatKnows(name: string, known: readonly string[], namesNobody = false) {
  const ownKey = testKey(name);
  const store = new PeerStore({
    ...{ clock, ownKey, addresses: testAddresses, strictAddresses: false, noIpv6: false },
  });
  const learn = (publicKey: PublicKey): void => {
    const meshIp = testAddresses.meshIpv4(publicKey, 0) as IpAddress;
    store.observe({ publicKey, method: "dht", meshIp, instance: "0123456789abcdef" });
    // Of a crowd of strangers nobody would be told.
    store.noteHandshake(publicKey, clock.wallMs());
  };
  for (const other of known) learn(testKey(other));
  const announcer = new Announcer({
    ...{ clock, store, sealer, namesNobody },
    random: seededRandom(name),
    self: new LocalNode(ownWords(name)),
    prover: testProver(ownKey),
  });
  return { announcer, learn, publicKey: ownKey };
}

function opened(datagram: Buffer): Announcement {
  const envelope = openEnvelope(datagram, sealer, clock.wallMs());
  const decoded = envelope.ok ? decodeAnnouncement(envelope.payload) : envelope;
  if (!decoded.ok) throw new Error("not an announcement");
  return decoded.value;
}

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `node ${from + index}`);
const keysOf = (announcement: Announcement): PublicKey[] =>
  announcement.knownPeers.map(({ publicKey }) => publicKey);

test.each([60, 600])("of %d peers the ten that the asker lacks are named at once", (many) => {
  const asker = nodeThatKnows("asks", names(10, many));
  const knowsAll = nodeThatKnows("knows all", names(0, many));
  const from = { host: "192.0.2.9" as IpAddress, port: 52_000 };
  const lacking = new Set(names(0, 10).map(testKey));
  const found = new Set<PublicKey>();
  let answers = 0;
  for (; found.size < lacking.size && answers < 30; answers += 1) {
    const { have } = opened(asker.announcer.hello(knowsAll.publicKey, false, answers));
    const reply = opened(knowsAll.announcer.reply(asker.publicKey, from, 1_200, have) as Buffer);
    for (const publicKey of keysOf(reply)) {
      expect(lacking).toContain(publicKey);
      found.add(publicKey);
      asker.learn(publicKey);
    }
  }
  expect(found).toEqual(lacking);
  // Two or three an answer; a filter tells of 192 peers, and a large mesh takes its parts in turn.
  expect(answers).toBeLessThanOrEqual(20);
});

test("a HELLO that does not ask, or to where nobody has answered, or of a node that names nobody, tells nothing of whom it knows", () => {
  const known = names(0, 60);
  expect(opened(nodeThatKnows("a", known).announcer.hello(testKey("b"), false)).have).toBeUndefined();
  expect(opened(nodeThatKnows("a", known).announcer.hello(testKey("b"), true, 0)).have).toBeUndefined();
  const silent = nodeThatKnows("silent", known, true);
  expect(opened(silent.announcer.hello(testKey("b"), false, 0)).have).toBeUndefined();
});

test("a HELLO stays within its limit with what it tells of 1,000 peers", () => {
  const datagram = nodeThatKnows("asks", names(0, 1_000)).announcer.hello(testKey("b"), false, 0);
  expect(opened(datagram).have).toMatchObject({ slices: 6, slice: 0 });
  expect(datagram.length).toBeLessThanOrEqual(1_200);
});

test("what an asker knows counts once there is a tunnel to it, since looking at all peers for anybody would be dear", async () => {
  const network = new MemoryNetwork({ clock, unit: () => 0 });
  const node = new TestNode(clock, network, "answers", "192.0.2.1", { lan: false });
  const asker = { host: "192.0.2.2" as IpAddress, port: GOSSIP_PORT };
  const publicKey = testKey("asks");
  const meshIpOf = (key: PublicKey): IpAddress => testAddresses.meshIpv4(key, 0) as IpAddress;
  const random = seededRandom("asks");
  /** Of an answer to one who says that it knows everybody. */
  const mentions = async (): Promise<number> => {
    network.sent.length = 0;
    const { payload } = encodeAnnouncement("HELLO", {
      ...plainAnnouncement,
      ...{ publicKey, meshIp: meshIpOf(publicKey), timestampSeconds: Math.floor(clock.wallMs() / 1_000) },
      have: { slices: 1, slice: 0, salt: 1, bits: Buffer.alloc(1, 0xff) },
    });
    const to = { host: node.ip, port: GOSSIP_PORT };
    network.inject(asker, to, sealEnvelope("HELLO", payload, sealer, random));
    await clock.advance(100);
    const reply = network.sent.find(({ data }) => data.includes('"type":"REPLY"'));
    return opened(reply?.data as Buffer).knownPeers.length;
  };
  await node.start();
  const other = testKey("other");
  node.store.observe({ publicKey: other, method: "dht", meshIp: meshIpOf(other) });
  const before = await mentions();
  node.store.noteHandshake(publicKey, clock.wallMs());
  expect([before, await mentions()]).toEqual([1, 0]);
  await node.crash();
  expect(node.failures).toEqual([]);
});
