/** However many cores an end uses: within a flow nothing overtakes anything. */
import { describe, expect } from "vitest";
import { vethPair } from "../harness/pair.ts";
import { allAnswered } from "../harness/ping.ts";
import { keepOrder } from "../harness/place.ts";
import { test } from "../harness/scene.ts";
import { tcp, type UdpCount, udp } from "../harness/streams.ts";
import type { Tunnel } from "../harness/tunnel.ts";

const SECONDS = 2;

async function inOrder(from: Tunnel, to: Tunnel, streams: number, size: number): Promise<UdpCount> {
  const until = ["-t", String(SECONDS)];
  const count = await udp(from.inside, to.inside, to.addresses[0] ?? "", { streams, size, until });
  expect(count.outOfOrder).toBe(0);
  // As fast as the sender can; what is lost was too much for a queue.
  expect(count.packets - count.lost).toBeGreaterThan(1000);
  return count;
}

describe("UDP as fast as it can be sent arrives in order", () => {
  test.for([
    [1, 1300],
    [8, 1300],
    [1, 64],
  ] as const)(
    "in flows: %i, of datagrams of bytes: %i, both ways at once",
    async ([streams, size], { scene }) => {
      const { a, b } = await vethPair(scene);
      await keepOrder(a.outside, "eth0");
      await keepOrder(b.outside, "eth0");
      await allAnswered(a.inside, b.addresses[0] ?? "");
      const counts = await Promise.all([inOrder(a, b, streams, size), inOrder(b, a, streams, size)]);
      console.log(`${streams} × ${size}: ${JSON.stringify(counts)}`);
    },
  );

  test("with TCP beside it", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    await keepOrder(a.outside, "eth0");
    await keepOrder(b.outside, "eth0");
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    await Promise.all([
      inOrder(a, b, 1, 1300),
      tcp(a.inside, b.inside, b4, 32 << 20, 4),
      tcp(b.inside, a.inside, a.addresses[1] ?? "", 32 << 20, 4),
    ]);
  });
});
