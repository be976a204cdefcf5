/** However many cores an end uses: within a flow nothing overtakes anything. */
import { describe, expect } from "vitest";
import { type Pair, vethPair } from "../harness/pair.ts";
import { allAnswered } from "../harness/ping.ts";
import { keepOrder } from "../harness/place.ts";
import { type Scene, test } from "../harness/scene.ts";
import { tcp, type UdpCount, udp } from "../harness/streams.ts";

const SECONDS = 2;

/** As fast as the sender can: what is lost was too much for a queue. */
function expectOrder({ packets, lost, outOfOrder }: UdpCount): void {
  expect(outOfOrder).toBe(0);
  expect(packets - lost).toBeGreaterThan(1000);
}

describe("UDP as fast as it can be sent arrives in order", () => {
  test.for([
    [1, 1300],
    [8, 1300],
    [1, 64],
  ] as const)(
    "in flows: %i, of datagrams of bytes: %i, both ways at once",
    async ([streams, size], { scene }) => {
      const { a, b } = await orderedPair(scene);
      const until = ["-t", String(SECONDS)];
      const options = { streams, size, bothWays: true, until };
      const { there, back } = await udp(a.inside, b.inside, b.addresses[0] ?? "", options);
      console.log(`${streams} × ${size}: ${JSON.stringify({ there, back })}`);
      expectOrder(there);
      expectOrder(back);
    },
  );

  test("with TCP beside it", async ({ scene }) => {
    const { a, b } = await orderedPair(scene);
    const [b4 = ""] = b.addresses;
    const until = ["-t", String(SECONDS)];
    const [{ there }] = await Promise.all([
      udp(a.inside, b.inside, b4, { size: 1300, until }),
      tcp(a.inside, b.inside, b4, 32 << 20, 4),
      tcp(b.inside, a.inside, a.addresses[1] ?? "", 32 << 20, 4),
    ]);
    expectOrder(there);
  });
});

/** A tunnel with a session, over a link that keeps order itself. */
async function orderedPair(scene: Scene): Promise<Pair> {
  const pair = await vethPair(scene);
  await keepOrder(pair.a.outside, "eth0");
  await keepOrder(pair.b.outside, "eth0");
  await allAnswered(pair.a.inside, pair.b.addresses[0] ?? "");
  return pair;
}
