/** The layer in whole nodes on a network in memory; the DHT is in memory too. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PUBLIC_BOOTSTRAP } from "../../../../src/discovery/dht/bootstrap.ts";
import { hoursAt } from "../../../../src/discovery/dht/schedule.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";
import { GOSSIP_PORT, isMesh, type NodeOptions, TestNode } from "../memoryMesh.ts";
import { MemoryNetwork } from "../memoryNetwork.ts";
import { MemoryDht, MemoryNodes } from "./memoryDht.ts";

let clock: FakeClock;
let network: MemoryNetwork;
let dht: MemoryDht;
let nodes: TestNode[];

const BOOTSTRAP = [{ host: "198.51.100.1", port: 6881 }];
const infoHash = (hour: number): string => `hour ${hour}`;

beforeEach(() => {
  clock = new FakeClock();
  const chance = seededRandom("network");
  network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  dht = new MemoryDht(clock);
  nodes = [];
});

afterEach(async () => {
  const crashed = Promise.all(nodes.map((node) => node.crash()));
  // The nodes are saved first, as far as the engine answers.
  await clock.advance(5_000);
  await crashed;
  expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
  expect(dht.openEngines).toBe(0);
});

type DhtChange = Partial<NonNullable<NodeOptions["dht"]>>;

async function startNode(name: string, last: number, change: DhtChange = {}): Promise<TestNode> {
  const ip = `192.0.2.${last}`;
  const node = new TestNode(clock, network, name, ip, {
    lan: false,
    dht: {
      open: dht.openerAt(ip),
      port: 0,
      infoHash,
      bootstrap: BOOTSTRAP,
      hasRoute: () => true,
      resolve: () => Promise.reject(new Error("no such name")),
      nodes: new MemoryNodes(),
      ...change,
    },
  });
  nodes.push(node);
  await node.start();
  return node;
}

const layer = (node: TestNode) => node.discovery.layers().find(({ name }) => name === "dht");
const current = (): string => infoHash(hoursAt(clock.wallMs())[0] ?? 0);

describe("two nodes that know only the DHT", () => {
  test("started at once meet within a second", async () => {
    const pair = [await startNode("a", 1), await startNode("b", 2)];
    expect(await clock.until(() => isMesh(pair), 5_000)).toBeLessThanOrEqual(1_000);
    for (const node of pair) {
      expect(layer(node)).toMatchObject({ state: "running", lastError: null });
      expect(layer(node)?.detail).toContain("8 nodes, announced under 2 of 2 ids");
    }
    const [a, b] = pair;
    expect(a?.store.get(b?.key as never)?.methods).toContain("dht");
  });

  test("meet although the answers take long and overlap", async () => {
    dht.answerMs = 1_400;
    const pair = [await startNode("a", 1), await startNode("b", 2)];
    expect(await clock.until(() => isMesh(pair), 20_000)).toBeLessThanOrEqual(5_000);
  });

  test("announce the control port as it is seen from outside, and again when that changes", async () => {
    const node = await startNode("a", 1);
    await clock.advance(3_000);
    expect(dht.announced(current())).toEqual([{ host: "192.0.2.1", port: GOSSIP_PORT }]);
    node.self.update({ externalControl: { host: "203.0.113.5", port: 40_123 } });
    await clock.advance(200);
    expect(dht.announced(current())).toEqual([{ host: "192.0.2.1", port: 40_123 }]);
  });

  test("open nothing and ask for no name while no route leads anywhere, and begin as soon as one does", async () => {
    let routed = false;
    let routes = 0;
    let opened = 0;
    const open = dht.openerAt("192.0.2.1");
    const node = await startNode("a", 1, {
      hasRoute: () => {
        routes += 1;
        return routed;
      },
      open: (options) => {
        opened += 1;
        return open(options);
      },
    });
    await clock.advance(60_000);
    expect(opened).toBe(0);
    expect(layer(node)).toMatchObject({ state: "degraded", lastError: "no route leads to any of its nodes" });
    const asked = routes;
    await clock.advance(10 * 60_000);
    expect(routes - asked).toBeLessThanOrEqual(14);
    routed = true;
    node.underlay.changed([{ name: "eth1", index: 3, ipv4: ["192.0.2.1"] }]);
    expect(await clock.until(() => layer(node)?.state === "running", 20_000)).toBeLessThanOrEqual(2_000);
  });

  test("begin within about a minute when a route comes up that nobody tells of", async () => {
    let routed = false;
    const node = await startNode("a", 1, { hasRoute: () => routed });
    await clock.advance(10 * 60_000);
    routed = true;
    expect(await clock.until(() => layer(node)?.state === "running", 90_000)).toBeLessThanOrEqual(62_000);
  });

  test("count what they were told and what came of it", async () => {
    dht.stored.set(current(), [
      { host: "127.0.0.1", port: 1 },
      { host: "20.0.0.1", port: 1 },
    ]);
    const pair = [await startNode("a", 1), await startNode("b", 2)];
    await clock.until(() => isMesh(pair), 5_000);
    await clock.advance(5_000);
    const labels = { outcome: ["taken", "left_out", "asked", "answered"] } as const;
    for (const { context } of pair) {
      const counter = context.metrics.counter("wgmesh_dht_addresses_total", "", labels);
      for (const outcome of labels.outcome) expect(counter.value({ outcome })).toBeGreaterThan(0);
    }
  });

  test("do not greet themselves", async () => {
    await startNode("a", 1);
    await clock.advance(120_000);
    expect(network.sent).toEqual([]);
  });

  test("look up rarely once the mesh is there", async () => {
    const all = [1, 2, 3, 4].map((last) => startNode(`n${last}`, last));
    const mesh = await Promise.all(all);
    await clock.until(() => isMesh(mesh), 5_000);
    await clock.advance(60_000);
    const before = dht.asked.length;
    await clock.advance(600_000);
    // A minute and node: one look-up, one more for each other hour in four minutes, announcements every 15.
    expect((dht.asked.length - before) / 4 / 10).toBeLessThanOrEqual(1.7);
  });

  test("meet under the next hour when it comes", async () => {
    const minutes = 58;
    clock = new FakeClock(490_896 * 3_600_000 + minutes * 60_000);
    network = new MemoryNetwork({ clock, unit: () => 0.5 });
    dht = new MemoryDht(clock);
    await startNode("a", 1);
    await clock.advance(60_000);
    expect(dht.announced(infoHash(490_897))).toHaveLength(1);
    await clock.advance(120_000);
    const late = [nodes[0] as TestNode, await startNode("b", 2)];
    expect(current()).toBe(infoHash(490_897));
    expect(await clock.until(() => isMesh(late), 5_000)).toBeLessThanOrEqual(1_000);
  });
});

describe("without an answer", () => {
  test("the layer is degraded, tries on at its own pace, and is back within ten seconds", async () => {
    dht.isUp = false;
    const pair = [await startNode("a", 1), await startNode("b", 2)];
    await clock.advance(300_000);
    for (const node of pair)
      expect(layer(node)).toMatchObject({ state: "degraded", lastError: "no DHT node answers" });
    expect(dht.opened.length / 2).toBeLessThanOrEqual(300 / 8);
    dht.isUp = true;
    const isBack = () => isMesh(pair) && layer(pair[0] as TestNode)?.state === "running";
    expect(await clock.until(isBack, 30_000)).toBeLessThanOrEqual(10_000);
    expect(layer(pair[0] as TestNode)?.lastError).toBeNull();
  });

  test("and without a name that resolves no engine is opened; a change of the network is tried at once", async () => {
    let addresses: string[] = [];
    const resolve = async () => {
      if (addresses.length === 0) throw new Error("no such name");
      return addresses;
    };
    const node = await startNode("a", 1, { bootstrap: PUBLIC_BOOTSTRAP, resolve });
    await clock.advance(100_000);
    const lastError = "router.bittorrent.com: no such name";
    expect(layer(node)).toMatchObject({ state: "degraded", lastError });
    expect(dht.opened).toEqual([]);
    await clock.until(() => layer(node)?.state === "degraded", 1_000);
    addresses = ["198.51.100.1"];
    node.underlay.changed([{ name: "eth1", index: 3, ipv4: ["192.0.2.1"] }]);
    expect(await clock.until(() => layer(node)?.state === "running", 10_000)).toBeLessThanOrEqual(2_000);
  });

  test("nodes met before are asked when names do not resolve, and names when those are gone", async () => {
    const file = new MemoryNodes();
    file.records = Buffer.concat([
      Buffer.alloc(20, 1),
      Buffer.from("00000000000000000000ffffc63364071ae1", "hex"),
    ]);
    dht.isUp = false;
    const resolve = () => Promise.resolve(["198.51.100.99"]);
    await startNode("a", 1, { bootstrap: [{ host: "x.example", port: 6881 }], nodes: file, resolve });
    await clock.advance(15_000);
    expect(dht.opened[0]).toEqual([{ host: "198.51.100.7", port: 6881 }]);
    expect(dht.opened[1]).toContainEqual({ host: "198.51.100.99", port: 6881 });
  });

  test("of look-ups that find not even this node, it announces itself again", async () => {
    const node = await startNode("a", 1);
    await clock.advance(40_000);
    dht.stored.clear();
    await clock.advance(80_000);
    expect(dht.announced(current())).toHaveLength(1);
    expect(layer(node)?.state).toBe("running");
  });
});

test("nodes are saved after a while, every two minutes, and at the end", async () => {
  const file = new MemoryNodes();
  const node = await startNode("a", 1, { nodes: file });
  await clock.advance(1_000);
  expect(file.writes).toBe(0);
  await clock.advance(25_000);
  expect(file.writes).toBe(1);
  expect(file.records).toHaveLength(38);
  await clock.advance(240_000);
  expect(file.writes).toBe(3);
  const stopped = node.crash();
  await clock.advance(1_000);
  await stopped;
  expect(file.writes).toBe(4);
});

test("an engine that cannot be opened is a degraded layer, not an end", async () => {
  const open = () => {
    throw new Error("the port is taken");
  };
  const node = await startNode("a", 1, { open });
  await clock.advance(20_000);
  expect(layer(node)).toMatchObject({ state: "degraded", lastError: "the port is taken" });
});
