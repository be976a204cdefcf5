import { expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { TestNode, testAddresses, testKey } from "./memoryMesh.ts";
import { MemoryNetwork } from "./memoryNetwork.ts";

test("a peer whose mesh address is contested is greeted again soon, though it has a tunnel; others are not", async () => {
  const clock = new FakeClock();
  const chance = seededRandom("network");
  const network = new MemoryNetwork({ clock, unit: () => chance.unit() });
  const node = new TestNode(clock, network, "starter", "192.0.2.1", { lan: false });
  const hosts = ["192.0.2.10", "192.0.2.11"] as const;
  for (const host of hosts) {
    const publicKey = testKey(host);
    const meshIp = testAddresses.meshIpv4(publicKey, 0) as IpAddress;
    node.store.observe({
      ...{
        publicKey,
        method: "dht",
        endpoint: { host, port: 51_820 },
        instance: "0123456789abcdef",
        knowsUs: true,
      },
      ...(host === hosts[0] ? {} : { meshIp }),
    });
    node.store.noteHandshake(publicKey, clock.wallMs());
  }
  // It answers; who does not is greeted again as well.
  const other = new TestNode(clock, network, hosts[1], hosts[1], { lan: false });
  await other.start();
  await node.start();
  await clock.advance(15_000);
  other.store.noteHandshake(testKey("starter"), clock.wallMs());
  network.sent.length = 0;
  await clock.advance(75_000);
  // Gossip goes through the tunnel, to mesh addresses.
  const greeted = new Set(
    network.sent.map(({ to }) => to.split(":")[0]).filter((to) => to?.startsWith("192.0.2.1")),
  );
  expect([...greeted]).toEqual([hosts[0]]);
  await other.crash();
  await node.crash();
  expect(node.failures).toEqual([]);
});
