/** How the embedded backend moves packets: their order, the cores it uses, its source address, offloads that fail. */
import assert from "node:assert/strict";
import { availableParallelism, constants } from "node:os";
import type { Cases } from "../../vm/cases.ts";
import { apply, peer, ping, type Side, send, transfer, withPair } from "./embeddedPair.ts";
import { until } from "./tunnelEnd.ts";

const { EINVAL, EIO } = constants.errno;

interface Counted {
  readonly count: number;
  readonly overtaken: number;
}

/** What arrived of each flow, once nothing more does. */
async function arrived({ end }: Side): Promise<readonly Counted[]> {
  let before = -1;
  let flows: readonly Counted[] = [];
  await until("the last datagram", async () => {
    flows = await end.call("counted");
    const now = flows.reduce((sum, { count }) => sum + count, 0);
    const still = now === before;
    before = now;
    if (!still) await new Promise((resolve) => setTimeout(resolve, 200));
    return still;
  });
  return flows;
}

/** Eight flows of numbered datagrams; none may be overtaken, and most must arrive. */
async function eightFlowsInOrder(from: Side, to: Side, each: number, bytes?: number): Promise<void> {
  await to.end.call("count", { port: 7001 });
  await from.end.call("burst", { host: to.inner, port: 7001, sockets: 8, each, bytes });
  const flows = await arrived(to);
  assert.equal(flows.length, 8);
  for (const { count, overtaken } of flows) {
    assert.equal(overtaken, 0);
    assert.ok(count > each / 4, `${count} of ${each} arrived`);
  }
}

/** Threads of a kind that did a noticeable part of its work. */
async function busyThreads({ end }: Side, kind: string): Promise<number> {
  const threads: { name: string; ticks: number }[] = await end.call("threadTicks");
  const ticks = threads.filter(({ name }) => name === kind).map((thread) => thread.ticks);
  const all = ticks.reduce((sum, n) => sum + n, 0);
  return ticks.filter((n) => n > all / 50).length;
}

async function notices({ end }: Side): Promise<readonly string[]> {
  return end.events.flatMap((event) => (event.type === "notice" ? [event.text] : []));
}

/** A transfer in both directions goes on while the offload fails, as does all that comes after; one notice tells of it. */
function offloadFails(name: string, errno: number, notice: RegExp, needsUdp = false): () => Promise<void> {
  return () =>
    withPair(
      async (a, b) => {
        await transfer(a, b, b.inner, 1_000_000);
        const running = [send(a, b.inner, 20_000_000), send(a, "fd99::2", 5_000_000)];
        for (const { end } of [a, b]) await end.call("failOffload", { name, errno });
        if (needsUdp) await eightFlowsInOrder(a, b, 640, 1000);
        await Promise.all(running);
        await send(a, b.inner, 5_000_000);
        ping(a, b.inner);
        const told = (await Promise.all([notices(a), notices(b)])).flat();
        assert.ok(told.length > 0, "somebody noticed");
        // Each socket has its own.
        assert.ok(told.length <= 4, told.join("\n"));
        assert.equal(new Set(told.map((text) => text.replace(/\d+/g, ""))).size, 1, told.join("\n"));
        for (const text of told) assert.match(text, notice);
      },
      { testBuild: true },
    );
}

export const cases: Cases = {
  "no datagram overtakes another of its flow, whatever their sizes": () =>
    withPair(async (a, b) => {
      await eightFlowsInOrder(a, b, 2400);
      await eightFlowsInOrder(b, a, 2400, 64);
    }),

  "eight flows use more than one core, where there are cores": () =>
    withPair(async (a, b) => {
      await transfer(a, b, b.inner, 1000);
      await Promise.all(Array.from({ length: 8 }, () => send(a, b.inner, 12_000_000)));
      const expected = Math.min(availableParallelism(), 2);
      const busy = [await busyThreads(a, "wg-outgoing"), await busyThreads(b, "wg-incoming")];
      assert.ok(Math.max(...busy) >= expected, `threads at work: ${busy}`);
    }),

  "answers leave from the address that was spoken to": () =>
    withPair(async (a, b) => {
      b.end.run("ip address add 192.0.2.20/24 dev under");
      await apply(a, [{ ...peer(b), endpoint: "192.0.2.20:51820" }]);
      ping(a, b.inner);
      ping(b, a.inner);
      // An answer from the address that the routes prefer would have moved the endpoint.
      assert.equal((await a.end.read()).peers[0]?.endpoint, "192.0.2.20:51820");
      b.end.run("ip address delete 192.0.2.20/24 dev under");
      // What b sends next has no source any more that is b's; a hears it and follows.
      ping(b, a.inner);
      assert.equal((await a.end.read()).peers[0]?.endpoint, "192.0.2.2:51820");
      ping(a, b.inner);
    }),

  "UDP_SEGMENT that fails with EIO is given up without losing the tunnel": offloadFails(
    "UDP_SEGMENT",
    EIO,
    /^wg0 goes on without UDP_SEGMENT .*Input\/output error/,
  ),
  "UDP_SEGMENT that fails with EINVAL is given up without losing the tunnel": offloadFails(
    "UDP_SEGMENT",
    EINVAL,
    /^wg0 goes on without UDP_SEGMENT /,
  ),
  "UDP_GRO that fails is given up without losing the tunnel": offloadFails(
    "UDP_GRO",
    EINVAL,
    /^UDP port 51820 goes on without UDP_GRO /,
  ),
  "joined TCP packets that are refused go one by one": offloadFails(
    "joined TCP",
    EINVAL,
    /^wg0 goes on without joined TCP packets /,
  ),
  "joined UDP packets that are refused go one by one": offloadFails(
    "joined UDP",
    EINVAL,
    /^wg0 goes on without joined UDP packets /,
    true,
  ),

  "closing under full load ends all threads at once": () =>
    withPair(async (a, b) => {
      for (const side of [a, b]) await side.end.call("serve", { port: 7000 });
      const flows = [
        [a, b],
        [b, a],
      ] as const;
      for (const [from, to] of flows) {
        for (let i = 0; i < 4; i += 1) await from.end.call("flow", { host: to.inner, port: 7000 });
      }
      await until("packets flow", async () => ((await a.end.read()).peers[0]?.txBytes ?? 0) > 20_000_000);
      for (const { end } of [a, b]) {
        assert.ok((await end.call("close")) < 2000);
        assert.deepEqual(await end.call("threads"), []);
      }
    }),
};
