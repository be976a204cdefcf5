import { describe, expect, test } from "vitest";
import type { GossipPace } from "../../../src/discovery/seams.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { EXPIRE_MS, MAX_PEERS } from "../../../src/peers/store.ts";
import { decodeAnnouncement, MAX_DATAGRAM_BYTES } from "../../../src/wire/announcement.ts";
import { openEnvelope } from "../../../src/wire/envelope.ts";
import type { Announcement } from "../../../src/wire/types.ts";
import { ip } from "../support/announcements.ts";
import { isMesh, type NodeOptions, type TestNode, testAddresses, testKey, testSealer } from "./memoryMesh.ts";
import type { Sent } from "./memoryNetwork.ts";
import { Phantom } from "./phantoms.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const mesh = useMemoryMesh();

const addNode = (index: number, options: NodeOptions = {}): Promise<TestNode> =>
  mesh.start(`n${index}`, `192.0.2.${index + 1}`, options);

/** Nodes that know the first one and learn the rest from it: without multicast, which would drown what is looked at. */
async function addNodes(count: number, options: NodeOptions = {}): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const staticPeers = index === 0 ? [] : [{ host: "192.0.2.1", port: null }];
    await addNode(index, { lan: false, staticPeers, ...options });
  }
}

/** WireGuard's part: those that know each other keep a tunnel. Then time passes, a minute at most. */
async function passTime(
  ms: number,
  alive: readonly { key: Peer["publicKey"] }[] = mesh.nodes,
): Promise<void> {
  for (let left = ms; left > 0; left -= 60_000) {
    for (const node of mesh.nodes) {
      for (const { key } of alive)
        if (node.store.get(key)) node.store.noteHandshake(key, mesh.clock.wallMs());
      node.store.expire();
    }
    await mesh.clock.advance(Math.min(left, 60_000));
  }
}

/** Datagrams through the tunnels. */
const gossip = (): Sent[] => mesh.network.sent.filter(({ to }) => to.startsWith("10.77."));

function opened({ data }: Sent): Announcement {
  const envelope = openEnvelope(data, testSealer(), mesh.clock.wallMs());
  const decoded = envelope.ok ? decodeAnnouncement(envelope.payload) : null;
  if (!decoded?.ok) throw new Error("not an announcement");
  return decoded.value;
}

/** A peer only `witness` has heard, once; nobody can reach it. */
function rumour(witness: TestNode, name: string): Peer["publicKey"] {
  const publicKey = testKey(name);
  witness.store.observe({
    publicKey,
    method: "dht",
    hostname: name,
    meshIp: ip(testAddresses.meshIpv4(publicKey, 0)),
    endpoint: { host: "203.0.113.77", port: 51_820 },
  });
  return publicKey;
}

describe("news", () => {
  test("of one node reaches a calm mesh of 12 in a minute and a half, with its age, and is forgotten in time", async () => {
    await addNodes(12);
    await passTime(900_000);
    expect(isMesh(mesh.nodes)).toBe(true);
    const lost = rumour(mesh.nodes[3] as TestNode, "lost");
    const heardAtMs = mesh.clock.monotonicMs();
    const know = (): TestNode[] => mesh.nodes.filter(({ store }) => store.get(lost) !== undefined);
    while (know().length < mesh.nodes.length && mesh.clock.monotonicMs() - heardAtMs < 150_000)
      await passTime(5_000);
    const tookMs = mesh.clock.monotonicMs() - heardAtMs;
    expect(know()).toHaveLength(mesh.nodes.length);
    expect(tookMs).toBeLessThanOrEqual(90_000);
    // Ages are rounded up at each telling, and never fall behind the truth.
    for (const { store } of mesh.nodes) {
      const agoMs = store.heardAgoMs(lost);
      expect(agoMs).toBeGreaterThanOrEqual(tookMs - 1);
      expect(agoMs).toBeLessThan(tookMs + 12_000);
    }
    expect(mesh.nodes.filter(({ store }) => store.isActive(store.get(lost) as Peer))).toHaveLength(1);
    // It was never heard again: mentions do not keep it.
    await passTime(EXPIRE_MS + 70_000 - tookMs);
    expect(know()).toEqual([]);
    await passTime(300_000);
    expect(know()).toEqual([]);
  }, 120_000);

  test("of a peer that said goodbye to some brings it back to none of them", async () => {
    await addNodes(8);
    const lost = rumour(mesh.nodes[0] as TestNode, "leaver");
    await passTime(120_000);
    const told = mesh.nodes.filter(({ store }) => store.get(lost));
    expect(told.length).toBeGreaterThanOrEqual(7);
    for (const { store } of told.slice(0, 4)) store.remove(lost, "goodbye");
    await passTime(900_000);
    expect(mesh.nodes.filter(({ store }) => store.get(lost))).toEqual([]);
  }, 120_000);
});

describe("the pace", () => {
  test("is calm between nodes of ours that have nothing to tell", async () => {
    await addNodes(10);
    await passTime(1_200_000);
    mesh.network.sent.length = 0;
    await passTime(600_000);
    // One message in 160 s, a node and its peer drawn by chance.
    expect(gossip().length).toBeGreaterThan(0);
    expect(gossip().length / mesh.nodes.length / 10).toBeLessThanOrEqual(0.5);
  }, 120_000);

  test("with --gossip is the Go peer's, one message in 10 s on average", async () => {
    await addNodes(3, { gossip: "steady" });
    await passTime(60_000);
    mesh.network.sent.length = 0;
    await passTime(600_000);
    expect(gossip().length).toBeGreaterThanOrEqual(3 * 55);
    expect(gossip().length).toBeLessThanOrEqual(3 * 66);
    expect(Math.max(...gossip().map(({ data }) => data.length))).toBeLessThanOrEqual(MAX_DATAGRAM_BYTES);
  });

  test("with --no-gossip there is none", async () => {
    await addNodes(3, { gossip: "off" });
    await passTime(300_000);
    expect(gossip()).toEqual([]);
    expect(mesh.nodes[0]?.discovery.layers().find(({ name }) => name === "gossip")?.state).toBe("off");
  });

  test("may change while it runs: none, then the Go peer's, then calm again", async () => {
    await addNodes(3, { gossip: "off" });
    const paceOf = async (pace: GossipPace): Promise<number> => {
      for (const { discovery } of mesh.nodes) discovery.tune({ gossip: pace });
      await passTime(60_000);
      mesh.network.sent.length = 0;
      await passTime(300_000);
      return gossip().length;
    };
    const steady = await paceOf("steady");
    expect(steady).toBeGreaterThanOrEqual(3 * 25);
    expect(mesh.nodes[0]?.discovery.layers().find(({ name }) => name === "gossip")?.state).toBe("running");
    expect(await paceOf("off")).toBe(0);
    expect(mesh.nodes[0]?.discovery.layers().find(({ name }) => name === "gossip")?.state).toBe("off");
    const calm = await paceOf("calm");
    expect(calm).toBeGreaterThan(0);
    expect(calm).toBeLessThan(steady / 2);
  });

  test("Go peers are told only with --gossip, and nobody without a tunnel", async () => {
    const calm = await addNode(0, { lan: false });
    const steady = await addNode(1, { lan: false, gossip: "steady" });
    for (const node of mesh.nodes) {
      const go = rumour(node, "go peer");
      rumour(node, "without a tunnel");
      for (let round = 0; round < 6; round += 1) {
        node.store.noteHandshake(go, mesh.clock.wallMs());
        await mesh.clock.advance(30_000);
      }
    }
    const senders = gossip().map(({ from, to }) => [from.split(":")[0], to.split(":")[0]]);
    expect(new Set(senders.map(([from]) => from))).toEqual(new Set([steady.self.snapshot.meshIp]));
    expect(new Set(senders.map(([, to]) => to))).toEqual(
      new Set([testAddresses.meshIpv4(testKey("go peer"), 0)]),
    );
    expect(
      calm.metrics.snapshot().find(({ name }) => name === "wgmesh_gossip_messages_total")?.samples,
    ).toEqual([{ labels: {}, value: 0 }]);
  });

  test("a Go peer is never told of one that only others have heard, since it would take it for fresh", async () => {
    const teller = await addNode(0, { lan: false, gossip: "steady" });
    const go = rumour(teller, "go peer");
    const heard = rumour(teller, "heard");
    const hearsay = testKey("hearsay");
    teller.store.observe({
      publicKey: hearsay,
      method: "gossip-transitive",
      meshIp: ip(testAddresses.meshIpv4(hearsay, 0)),
      ageSeconds: 5,
    });
    for (let round = 0; round < 4; round += 1) {
      teller.store.noteHandshake(go, mesh.clock.wallMs());
      await mesh.clock.advance(30_000);
    }
    const mentioned = new Set(
      gossip().flatMap((sent) => opened(sent).knownPeers.map(({ publicKey }) => publicKey)),
    );
    expect(mentioned).toEqual(new Set([heard]));
  });
});

test("a node that knows one of a mesh of 1,000 learns all, within limits, and the mesh then stays quiet", async () => {
  const old = await addNode(0, { lan: false });
  // Seven in a thousand keys share a mesh address with another; those are another test's.
  const taken = new Set<string>([old.self.snapshot.meshIp, testAddresses.meshIpv4(testKey("n1"), 0)]);
  const phantoms: Phantom[] = [];
  for (let number = 0; phantoms.length < MAX_PEERS - 1; number += 1) {
    const meshIp = testAddresses.meshIpv4(testKey(`phantom${number}`), 0);
    if (!taken.has(meshIp)) phantoms.push(new Phantom(mesh.clock, mesh.network, number));
    taken.add(meshIp);
  }
  for (const { key, self, ip: host } of phantoms) {
    const { hostname, meshIp, instance } = self.snapshot;
    old.store.observe({
      publicKey: key,
      method: "dht",
      hostname,
      meshIp,
      instance,
      endpoint: { host, port: 51_820 },
      controlEndpoint: { host, port: 52_000 },
      proven: true,
    });
  }
  const everybody = [...phantoms, old];
  await passTime(60_000, everybody);
  mesh.network.sent.length = 0;
  const newcomer = await addNode(1, { lan: false, staticPeers: [{ host: old.ip, port: null }] });
  const startMs = mesh.clock.monotonicMs();
  while (newcomer.store.size < MAX_PEERS && mesh.clock.monotonicMs() - startMs < 600_000) {
    await passTime(5_000, everybody);
  }
  const learnedMs = mesh.clock.monotonicMs() - startMs;
  const ownSent = (): Sent[] => mesh.network.sent.filter(({ from }) => from.startsWith(newcomer.ip));
  const learning = ownSent();
  console.log(
    `learned ${newcomer.store.size} peers in ${learnedMs / 1000} s with ${learning.length} datagrams sent, the largest of any ` +
      `${Math.max(...mesh.network.sent.map(({ data }) => data.length))} bytes`,
  );
  expect(newcomer.store.size).toBe(MAX_PEERS);
  expect(learnedMs).toBeLessThanOrEqual(300_000);
  expect(Math.max(...mesh.network.sent.map(({ data }) => data.length))).toBeLessThanOrEqual(
    MAX_DATAGRAM_BYTES,
  );
  // A HELLO to each, and what asking the one node for all of them takes.
  expect(learning.length).toBeLessThanOrEqual(3 * MAX_PEERS);

  // One more than the store holds is not taken in, and displaces nobody.
  newcomer.store.observe({ publicKey: testKey("one too many"), method: "dht-transitive", ageSeconds: 1 });
  expect(newcomer.store.size).toBe(MAX_PEERS);

  await passTime(900_000, everybody);
  mesh.network.sent.length = 0;
  const minutes = 20;
  await passTime(minutes * 60_000, everybody);
  const aMinute = (sent: readonly Sent[]): number => sent.length / minutes;
  const bytes = ownSent().reduce((sum, { data }) => sum + data.length, 0) / minutes;
  const perPeer = aMinute(ownSent()) / MAX_PEERS;
  console.log(
    `a node with ${MAX_PEERS} peers sends ${aMinute(ownSent())} datagrams a minute, ${Math.round(bytes)} bytes`,
  );
  expect(perPeer).toBeLessThanOrEqual(0.05);
  expect(bytes).toBeLessThanOrEqual(60_000);
  expect(newcomer.store.size).toBe(MAX_PEERS);
}, 600_000);
