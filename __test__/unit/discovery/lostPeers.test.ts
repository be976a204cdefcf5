import { beforeEach, expect, test } from "vitest";
import { isMesh, type TestNode } from "./memoryMesh.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const mesh = useMemoryMesh();

const half = (address: string): number => (Number(address.split(".")[3]) <= 5 ? 0 : 1);
/** Also inside the tunnels, which come through the same network. */
const homeOf = (address: string): string =>
  mesh.nodes.find(({ self }) => self.snapshot.meshIp === address)?.ip ?? address;
const isParted = (from: string, to: string): boolean => half(homeOf(from)) !== half(homeOf(to));

beforeEach(async () => {
  for (let index = 0; index < 10; index += 1) {
    const staticPeers = index === 0 ? [] : [{ host: "192.0.2.1", port: null }];
    const name = `n${index}`;
    const onlyOnes =
      half(`192.0.2.${index + 1}`) === 0 || index === 5 ? staticPeers : [{ host: "192.0.2.6", port: null }];
    await mesh.start(name, `192.0.2.${index + 1}`, {
      lan: false,
      // Once it has been asked, an operator's peer is asked again for ever: not what is looked at here.
      staticPeers: index === 5 ? [] : onlyOnes,
    });
  }
  // The one link between the halves was made by hand.
  mesh.nodes[0]?.store.observe({
    publicKey: (mesh.nodes[5] as TestNode).key,
    method: "static",
    endpoint: { host: "192.0.2.6", port: 51_820 },
  });
  await passTime(60_000);
  expect(isMesh(mesh.nodes)).toBe(true);
  mesh.network.sent.length = 0;
});

/** WireGuard's and the daemon's part: tunnels between those that can reach each other, and expiry. */
async function passTime(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    for (const node of mesh.nodes) {
      for (const other of mesh.nodes) {
        const reaches = mesh.network.parted === null || !isParted(node.ip, other.ip);
        if (reaches && node.store.get(other.key)) node.store.noteHandshake(other.key, mesh.clock.wallMs());
      }
      node.store.expire();
    }
    await mesh.clock.advance(Math.min(left, 30_000));
  }
}

test.each([
  ["11 minutes", 11 * 60_000, 15_000],
  ["2 hours", 2 * 3_600_000, 60_000],
])(
  "two halves without LAN and DHT, parted for %s, are one mesh again",
  async (_text, partedMs, withinMs) => {
    mesh.network.parted = isParted;
    await passTime(partedMs);
    expect(mesh.nodes[0]?.store.get((mesh.nodes[9] as TestNode).key)).toBeUndefined();
    expect(mesh.nodes[0]?.store.size).toBe(4);
    // A node that misses five others asks them politely.
    const asked = mesh.network.sent.filter(
      ({ from, to }) => from.startsWith("192.0.2.1:") && half(to.split(":")[0] ?? "") === 1,
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length / (partedMs / 60_000)).toBeLessThan(60);
    mesh.network.parted = null;
    const tookMs = await mesh.clock.until(() => isMesh(mesh.nodes), 600_000, 100);
    console.log(`parted for ${partedMs / 60_000} minutes: one mesh after ${tookMs / 1000} s`);
    expect(tookMs).toBeLessThanOrEqual(withinMs);
  },
  60_000,
);

test("who said goodbye is not asked again", async () => {
  const leaver = mesh.nodes[9] as TestNode;
  const leaving = leaver.discovery.goodbye();
  await mesh.clock.advance(300);
  await leaving;
  await leaver.crash();
  mesh.nodes = mesh.nodes.filter((node) => node !== leaver);
  await passTime(60_000);
  mesh.network.sent.length = 0;
  await passTime(1_800_000);
  expect(mesh.network.sent.filter(({ to }) => to.startsWith(`${leaver.ip}:`))).toEqual([]);
});

test("one that is gone for good is asked ever more rarely, and after a day no more", async () => {
  const [, first] = mesh.nodes as [TestNode, TestNode];
  for (const node of mesh.nodes) if (node !== first) await node.crash();
  mesh.nodes = [first];
  const hours: number[] = [];
  for (let hour = 0; hour < 26; hour += 1) {
    mesh.network.sent.length = 0;
    await passTime(3_600_000);
    // Not the one that an operator named, which is asked for ever.
    hours.push(mesh.network.sent.filter(({ to }) => to.startsWith("192.0.2.9:")).length);
  }
  console.log(`datagrams an hour to a peer that is gone: ${hours.join(" ")}`);
  expect(hours[1]).toBeLessThan(hours[0] ?? 0);
  expect(hours[20]).toBeGreaterThan(0);
  expect(hours[20]).toBeLessThan(30);
  expect(hours[25]).toBe(0);
}, 60_000);

test("who was evicted is asked every few seconds: back within 5 s, also after minutes", async () => {
  mesh.network.parted = isParted;
  await passTime(60_000);
  for (const [index, node] of mesh.nodes.entries()) {
    for (const other of mesh.nodes.filter((_, there) => index < 5 !== there < 5)) {
      node.store.remove(other.key, "evicted");
    }
  }
  await passTime(90_000);
  expect(mesh.nodes[0]?.store.size).toBe(4);
  mesh.network.sent.length = 0;
  await passTime(60_000);
  const asked = mesh.network.sent.filter(({ from }) => from.startsWith("192.0.2.1:"));
  const toOthers = asked.filter(({ to }) => half(to.split(":")[0] ?? "") === 1);
  expect(toOthers.length).toBeGreaterThan(10);
  // Two datagrams a question, and a question in 0.7 s at most.
  expect(toOthers.length).toBeLessThan(180);
  mesh.network.parted = null;
  expect(await mesh.clock.until(() => isMesh(mesh.nodes), 60_000, 100)).toBeLessThanOrEqual(5_000);
}, 60_000);
