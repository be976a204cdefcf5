/** Pings and streams through the tunnel, over both protocols inside and outside, with a usual and a very large MTU. */
import { describe, expect } from "vitest";
import { loopbackPair, type Pair } from "../harness/pair.ts";
import { allAnswered } from "../harness/ping.ts";
import { test } from "../harness/scene.ts";
import { tcp, udp } from "../harness/streams.ts";

const MEGABYTE = 1 << 20;

const outer = {
  IPv4: ["127.0.0.1:1", "127.0.0.1:2"],
  IPv6: ["[::1]:1", "[::1]:2"],
} as const;

/** Both inner protocols, both directions. */
async function exchange({ a, b }: Pair): Promise<void> {
  const [a4 = "", a6 = ""] = a.addresses;
  const [b4 = "", b6 = ""] = b.addresses;
  const quick = { count: 10, quick: true };
  await allAnswered(a.inside, b4, quick);
  await allAnswered(b.inside, a4, quick);
  await allAnswered(a.inside, b6, quick);
  await allAnswered(b.inside, a6, quick);
  await tcp(a.inside, b.inside, b4, 32 * MEGABYTE);
  await tcp(b.inside, a.inside, a6, 32 * MEGABYTE);
  await tcp(a.inside, b.inside, b4, MEGABYTE, 30);
  for (const [from, to, address] of [
    [b, a, a4],
    [a, b, b6],
  ] as const) {
    const { there } = await udp(from.inside, to.inside, address, { until: ["-n", "16M"] });
    // As fast as the sender can: most may be too much for a queue.
    expect(there.packets - there.lost).toBeGreaterThan(10);
  }
}

describe.each(["IPv4", "IPv6"] as const)(
  "through the loopback interface of a third namespace, over %s",
  (family) => {
    test.for([1420, 34_736])("pings and streams pass both ways with an MTU of %i", async (mtu, { scene }) => {
      const pair = await loopbackPair(scene, { mtu });
      const { a, b } = pair;
      await a.setPeer(b, { endpoint: outer[family][1] });
      await b.setPeer(a, { endpoint: outer[family][0] });
      await exchange(pair);
      expect((await a.peer(b)).endpoint).toBe(outer[family][1]);
      expect((await b.peer(a)).endpoint).toBe(outer[family][0]);
    });
  },
);
