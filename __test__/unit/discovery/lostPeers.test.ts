import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "./fakeClock.ts";
import { isMesh, seededRandom, TestNode } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

let clock: FakeClock;
let network: MemoryNetwork;
let nodes: TestNode[];

const half = (address: string): number => (Number(address.split(".")[3]) <= 5 ? 0 : 1);
/** Also inside the tunnels, which come through the same network. */
const homeOf = (address: string): string =>
  nodes.find(({ self }) => self.snapshot.meshIp === address)?.ip ?? address;
const isParted = (from: string, to: string): boolean => half(homeOf(from)) !== half(homeOf(to));

beforeEach(async () => {
  clock = new FakeClock();
  const chance = seededRandom("network");
  network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  nodes = [];
  for (let index = 0; index < 10; index += 1) {
    const staticPeers = index === 0 ? [] : [{ host: "192.0.2.1", port: null }];
    const name = `n${index}`;
    const onlyOnes =
      half(`192.0.2.${index + 1}`) === 0 || index === 5 ? staticPeers : [{ host: "192.0.2.6", port: null }];
    const node = new TestNode(clock, network, name, `192.0.2.${index + 1}`, {
      lan: false,
      // Once it has been asked, an operator's peer is asked again for ever: not what is looked at here.
      staticPeers: index === 5 ? [] : onlyOnes,
    });
    nodes.push(node);
    await node.start();
  }
  // The one link between the halves was made by hand.
  nodes[0]?.store.observe({
    publicKey: (nodes[5] as TestNode).key,
    method: "static",
    endpoint: { host: "192.0.2.6", port: 51_820 },
  });
  await passTime(60_000);
  expect(isMesh(nodes)).toBe(true);
  network.sent.length = 0;
});

afterEach(async () => {
  for (const node of nodes) await node.crash();
  expect(nodes.flatMap(({ failures }) => failures)).toEqual([]);
});

/** WireGuard's and the daemon's part: tunnels between those that can reach each other, and expiry. */
async function passTime(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    for (const node of nodes) {
      for (const other of nodes) {
        const reaches = network.parted === null || !isParted(node.ip, other.ip);
        if (reaches && node.store.get(other.key)) node.store.noteHandshake(other.key, clock.wallMs());
      }
      node.store.expire();
    }
    await clock.advance(Math.min(left, 30_000));
  }
}

test.each([
  ["11 minutes", 11 * 60_000, 15_000],
  ["2 hours", 2 * 3_600_000, 60_000],
])(
  "two halves without LAN and DHT, parted for %s, are one mesh again",
  async (_text, partedMs, withinMs) => {
    network.parted = isParted;
    await passTime(partedMs);
    expect(nodes[0]?.store.get((nodes[9] as TestNode).key)).toBeUndefined();
    expect(nodes[0]?.store.size).toBe(4);
    // A node that misses five others asks them politely.
    const asked = network.sent.filter(
      ({ from, to }) => from.startsWith("192.0.2.1:") && half(to.split(":")[0] ?? "") === 1,
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length / (partedMs / 60_000)).toBeLessThan(60);
    network.parted = null;
    const tookMs = await clock.until(() => isMesh(nodes), 600_000, 100);
    console.log(`parted for ${partedMs / 60_000} minutes: one mesh after ${tookMs / 1000} s`);
    expect(tookMs).toBeLessThanOrEqual(withinMs);
  },
  60_000,
);

test("who said goodbye is not asked again", async () => {
  const leaver = nodes[9] as TestNode;
  const leaving = leaver.discovery.goodbye();
  await clock.advance(300);
  await leaving;
  await leaver.crash();
  nodes = nodes.filter((node) => node !== leaver);
  await passTime(60_000);
  network.sent.length = 0;
  await passTime(1_800_000);
  expect(network.sent.filter(({ to }) => to.startsWith(`${leaver.ip}:`))).toEqual([]);
});

test("one that is gone for good is asked ever more rarely, and after a day no more", async () => {
  const [, first] = nodes as [TestNode, TestNode];
  for (const node of nodes) if (node !== first) await node.crash();
  nodes = [first];
  const hours: number[] = [];
  for (let hour = 0; hour < 26; hour += 1) {
    network.sent.length = 0;
    await passTime(3_600_000);
    // Not the one that an operator named, which is asked for ever.
    hours.push(network.sent.filter(({ to }) => to.startsWith("192.0.2.9:")).length);
  }
  console.log(`datagrams an hour to a peer that is gone: ${hours.join(" ")}`);
  expect(hours[1]).toBeLessThan(hours[0] ?? 0);
  expect(hours[20]).toBeGreaterThan(0);
  expect(hours[20]).toBeLessThan(30);
  expect(hours[25]).toBe(0);
}, 60_000);

test("who was evicted is asked every few seconds: back within 5 s, also after minutes", async () => {
  network.parted = isParted;
  await passTime(60_000);
  for (const [index, node] of nodes.entries()) {
    for (const other of nodes.filter((_, there) => index < 5 !== there < 5)) {
      node.store.remove(other.key, "evicted");
    }
  }
  await passTime(90_000);
  expect(nodes[0]?.store.size).toBe(4);
  network.sent.length = 0;
  await passTime(60_000);
  const asked = network.sent.filter(({ from }) => from.startsWith("192.0.2.1:"));
  const toOthers = asked.filter(({ to }) => half(to.split(":")[0] ?? "") === 1);
  expect(toOthers.length).toBeGreaterThan(10);
  // Two datagrams a question, and a question in 0.7 s at most.
  expect(toOthers.length).toBeLessThan(180);
  network.parted = null;
  expect(await clock.until(() => isMesh(nodes), 60_000, 100)).toBeLessThanOrEqual(5_000);
}, 60_000);
