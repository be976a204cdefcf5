import { expect, test } from "vitest";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { GOSSIP_PORT, TestNode, testKey } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

test("the first datagrams of a node go to the peers of its cache, before LAN, STUN and peers of the operator", async () => {
  const clock = new FakeClock();
  const chance = seededRandom("network");
  const network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  const node = new TestNode(clock, network, "starter", "192.0.2.1", {
    staticPeers: [{ host: "192.0.2.200", port: null }],
    stunServers: [{ host: "192.0.2.201", port: 3478 }],
  });
  const cached = Array.from({ length: 40 }, (_, index) => `192.0.2.${index + 10}`);
  for (const host of cached) {
    const endpoint = { host, port: 51_820 };
    node.store.observe({
      publicKey: testKey(host),
      method: "cache",
      endpoint,
      seenAtMs: clock.wallMs() - 60_000,
    });
  }
  await node.start();
  await clock.advance(200);
  const first = network.sent.slice(0, cached.length);
  expect(first.map(({ to }) => to).sort()).toEqual(cached.map((host) => `${host}:${GOSSIP_PORT}`).sort());
  expect(new Set(first.map(({ atMs }) => atMs)).size).toBe(1);
  const later = network.sent.slice(cached.length).map(({ to }) => to);
  expect(later).toContainEqual(expect.stringMatching(/^239\./));
  expect(later).toContainEqual(expect.stringContaining("192.0.2.200"));
  expect(later).toContainEqual(expect.stringContaining("192.0.2.201"));
  await node.crash();
  expect(node.failures).toEqual([]);
});
