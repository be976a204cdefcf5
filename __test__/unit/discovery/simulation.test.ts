import { afterEach, describe, expect, test } from "vitest";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { isMesh, type NodeOptions, TestNode } from "./memoryMesh.ts";
import { MemoryNetwork, type NetworkOptions, type Sent } from "./memoryNetwork.ts";

let clock: FakeClock;
let network: MemoryNetwork;
let nodes: TestNode[];

function lab(options: Partial<NetworkOptions> = {}): void {
  clock = new FakeClock();
  const chance = seededRandom("network");
  network = new MemoryNetwork({ clock, unit: () => chance.unit(), ...options });
  nodes = [];
}

function addNode(index: number, options: NodeOptions = {}): TestNode {
  const node = new TestNode(clock, network, `n${index}`, `192.0.2.${index + 1}`, options);
  nodes.push(node);
  return node;
}

/** The most datagrams that one sender put towards one destination within any second. */
function busiestSecond(): number {
  const byPair = new Map<string, number[]>();
  for (const { atMs, from, to } of network.sent) {
    const pair = `${from.split(":")[0]} ${to}`;
    byPair.set(pair, [...(byPair.get(pair) ?? []), atMs]);
  }
  let most = 0;
  for (const times of byPair.values()) {
    for (const [index, time] of times.entries()) {
      most = Math.max(most, times.slice(index).filter((other) => other < time + 1000).length);
    }
  }
  return most;
}

afterEach(async () => {
  for (const node of nodes) await node.crash();
  expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
  expect(nodes.map(({ runningTasks }) => runningTasks).filter((count) => count > 0)).toEqual([]);
  expect(network.openSockets).toBe(0);
});

describe("a LAN", () => {
  test.each([[2], [3], [10], [30]])(
    "of %i nodes started together is a mesh within 300 ms, politely",
    async (count) => {
      lab();
      for (let index = 0; index < count; index += 1) await addNode(index).start();
      const tookMs = await clock.until(() => isMesh(nodes), 1_000);
      expect(tookMs).toBeLessThanOrEqual(300);
      // One HELLO and one REPLY a pair are the least there can be.
      const unicasts = network.sent.filter(({ to }) => !to.startsWith("239."));
      expect(unicasts.length).toBeLessThanOrEqual(1.3 * count * (count - 1));
      await clock.advance(10_000);
      expect(isMesh(nodes)).toBe(true);
      expect(busiestSecond()).toBeLessThanOrEqual(5);
    },
  );

  test("of 10 nodes takes in a newcomer within 100 ms", async () => {
    lab();
    for (let index = 0; index < 10; index += 1) await addNode(index).start();
    await clock.advance(7_300);
    expect(isMesh(nodes)).toBe(true);
    await addNode(10).start();
    expect(await clock.until(() => isMesh(nodes), 1_000)).toBeLessThanOrEqual(100);
  });

  test("of 10 nodes that loses one datagram in five and mixes their order still forms", async () => {
    lab({ loss: 0.2, delayMs: [0.2, 40] });
    for (let index = 0; index < 10; index += 1) await addNode(index).start();
    expect(await clock.until(() => isMesh(nodes), 10_000)).toBeLessThanOrEqual(3_000);
    expect(busiestSecond()).toBeLessThanOrEqual(5);
  });

  test("notices a restarted node, same key and new run, at once", async () => {
    lab();
    for (let index = 0; index < 3; index += 1) await addNode(index).start();
    await clock.advance(2_000);
    const [first, second, old] = nodes as [TestNode, TestNode, TestNode];
    await old.crash();
    nodes = [first, second];
    await clock.advance(3_100);
    const again = addNode(2, { instance: "00112233445566aa" });
    await again.start();
    const tookMs = await clock.until(() => {
      const seen = [first, second].map(({ store }) => store.get(again.key));
      return isMesh(nodes) && seen.every((peer) => peer?.instance === "00112233445566aa");
    }, 1_000);
    expect(tookMs).toBeLessThanOrEqual(100);
  });

  test("keeps quiet once it is formed: no unicast between refreshes", async () => {
    lab();
    for (let index = 0; index < 4; index += 1) await addNode(index).start();
    await clock.advance(10_000);
    // Handshakes are what tells a peer from one that may not have heard of us.
    for (const node of nodes) {
      for (const { publicKey } of node.store.list()) node.store.noteHandshake(publicKey, clock.wallMs());
    }
    network.sent.length = 0;
    await clock.advance(120_000);
    const isGossip = ({ to }: Sent): boolean => to.startsWith("10.77.");
    const isMulticast = ({ to }: Sent): boolean => to.startsWith("239.");
    expect(network.sent.filter((sent) => !isMulticast(sent) && !isGossip(sent))).toEqual([]);
    // News is passed on through the tunnels at most every 8 s.
    expect(network.sent.filter(isGossip).length).toBeLessThan(4 * 15);
    // One announcement of each every 5 s for a minute; after that every 12 s, of a few for all.
    const announcements = network.sent.filter(isMulticast).length;
    expect(announcements).toBeGreaterThan(4 * 8);
    expect(announcements).toBeLessThan(4 * 13);
  });

  test("finds a calm node that was unplugged all the time within 15 s of its being plugged in", async () => {
    lab();
    for (let index = 0; index < 3; index += 1) await addNode(index).start();
    network.setDead("n2", true);
    await addNode(3).start();
    network.setDead("n3", true);
    await clock.advance(180_000);
    expect(isMesh(nodes)).toBe(false);
    network.setDead("n2", false);
    network.setDead("n3", false);
    expect(await clock.until(() => isMesh(nodes), 60_000)).toBeLessThanOrEqual(15_000);
  });
});

describe("peers by address", () => {
  test("a chain of 10 in which each knows only the one before forms a whole mesh", async () => {
    lab();
    for (let index = 0; index < 10; index += 1) {
      const staticPeers = index === 0 ? [] : [{ host: `192.0.2.${index}`, port: null }];
      await addNode(index, { lan: false, staticPeers }).start();
    }
    expect(await clock.until(() => isMesh(nodes), 20_000)).toBeLessThanOrEqual(5_000);
    expect(busiestSecond()).toBeLessThanOrEqual(5);
  });

  test("a newcomer that knows one of 40 learns all", async () => {
    lab();
    network.record = false;
    for (let index = 0; index < 40; index += 1) await addNode(index).start();
    await clock.advance(3_000);
    const newcomer = addNode(41, { lan: false, staticPeers: [{ host: "192.0.2.7", port: null }] });
    await newcomer.start();
    expect(await clock.until(() => isMesh(nodes), 60_000)).toBeLessThanOrEqual(10_000);
  });

  test("each node speaks to every peer at least every four minutes, also without LAN", async () => {
    lab();
    await addNode(0, { lan: false }).start();
    await addNode(1, { lan: false, staticPeers: [{ host: "192.0.2.1", port: null }] }).start();
    await clock.until(() => isMesh(nodes), 2_000);
    const [a, b] = nodes as [TestNode, TestNode];
    for (let minute = 0; minute < 30; minute += 1) {
      a.store.noteHandshake(b.key, clock.wallMs());
      b.store.noteHandshake(a.key, clock.wallMs());
      await clock.advance(60_000);
      for (const [node, peer] of [
        [a, b],
        [b, a],
      ] as const) {
        const seen = node.store.get(peer.key)?.lastSeenMs ?? 0;
        expect(clock.wallMs() - seen).toBeLessThanOrEqual(245_000);
      }
    }
  });
});

describe("goodbye", () => {
  test("removes the node everywhere within a second, and mentions do not bring it back", async () => {
    lab();
    for (let index = 0; index < 10; index += 1) await addNode(index).start();
    await clock.until(() => isMesh(nodes), 1_000);
    const leaver = nodes[4] as TestNode;
    for (const node of nodes) node.store.noteHandshake(leaver.key, clock.wallMs());
    const leaving = leaver.discovery.goodbye();
    await clock.advance(300);
    await leaving;
    await leaver.crash();
    nodes.splice(4, 1);
    await clock.advance(700);
    const remembers = (): string[] =>
      nodes.filter(({ store }) => store.get(leaver.key)).map(({ name }) => name);
    expect(remembers()).toEqual([]);
    await clock.advance(60_000);
    expect(remembers()).toEqual([]);
    expect(isMesh(nodes)).toBe(true);
  });

  test("is over within 300 ms, also when nobody is there", async () => {
    lab();
    const alone = addNode(0);
    await alone.start();
    await clock.advance(100);
    let done = false;
    const leaving = alone.discovery.goodbye().then(() => {
      done = true;
    });
    await clock.advance(300);
    expect(done).toBe(true);
    await leaving;
  });
});
