/**
 * Nodes that end, come back, move and change their networks, one every 5 s: whenever it is quiet all agree, and those that nothing
 * happened to have lost no ping. WGMESH_CHURN_MINUTES makes it longer, WGMESH_CHURN_SEED has the same events again.
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { untilAllAgree } from "./churn/agreement.ts";
import { chanceOf, oneOf } from "./churn/chance.ts";
import { Churned, type Happening, happenings } from "./churn/churned.ts";
import { growthOf, type Sample, sampleOf } from "./churn/resources.ts";
import { type PeerJson, testBackend } from "./harness/node.ts";
import { SteadyPing } from "./harness/ping.ts";
import { delay, nowMs } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Under emulation an event takes many times as long: a few must do. */
const small = testBackend === "kernel";
const { WGMESH_CHURN_MINUTES, WGMESH_CHURN_SEED } = process.env;
const minutes = Number(WGMESH_CHURN_MINUTES ?? (small ? 0.5 : 1.7));
/** The short form has the same events each time: what it finds is a change of the code. */
const usualSeed = 1_745_564_048;
const seed = Number(WGMESH_CHURN_SEED ?? (WGMESH_CHURN_MINUTES ? randomInt(2 ** 31) : usualSeed));
const NODES = small ? 4 : 8;
/** Fewer than these never live at a time. */
const LEAST_ALIVE = small ? 2 : 4;
const EVENT_MS = 5_000;
const EVENTS_UNTIL_QUIET = small ? 3 : 6;
/** Whoever an event happened to counts as untouched after so many further ones. */
const EVENTS_TO_SETTLE = 2;
const PING_EVERY_MS = 50;
const PROMISED_MS = 3_000;
/**
 * A heap swings, and while a pair is relayed, as many are for seconds after an event, each end and the relay have sockets for it, and
 * threads that carry its packets; what leaks with each event does so for ever.
 */
const GROWTH = { residentBytes: 32 << 20, descriptors: 3 + 2 * NODES, threads: 4, tasks: 0 };

const chance = chanceOf(seed);
const lab = useLab();

test(
  "after every event, and at the end, all nodes agree and nothing is left over",
  async () => {
    console.log(`WGMESH_CHURN_SEED=${seed}, ${NODES} nodes, ${minutes} minutes`);
    const nodes = Array.from({ length: NODES }, (_, index) => new Churned(lab, index));
    const [witness] = nodes as [Churned, ...Churned[]];
    for (const node of nodes) await node.before;
    await Promise.all(nodes.map((node) => node.start()));
    const live = (): Churned[] => nodes.filter(({ life }) => life === "live");
    console.log(`all agree after ${Math.round(await untilAllAgree(nodes, PROMISED_MS))} ms`);

    const told: string[] = [];
    const touched = new Map<Churned, number>();
    const samples: Sample[] = [];
    const startMs = nowMs();
    const isOver = (): boolean => nowMs() - startMs > minutes * 60_000;

    /** The witness lives from the first to the last moment: what it uses may not grow. */
    const choose = (): readonly [Churned, Happening] => {
      const node = oneOf(chance, nodes);
      if (node.life !== "live") return [node, "start"];
      const what = oneOf(chance, happenings);
      const ends = what === "kill" || what === "goodbye";
      if (node === witness) return [node, ends || what === "restart" ? "route" : what];
      return [node, ends && live().length <= LEAST_ALIVE ? "restart" : what];
    };

    const quiet = async (): Promise<void> => {
      // Others keep a killed node for minutes, as they cannot tell it from one that is out of reach.
      const back = nodes.filter(({ life }) => life === "killed");
      for (const node of back) await node.start();
      const ms = await untilAllAgree(nodes, PROMISED_MS);
      const shown = await witness.node.clientJson<{ peers: PeerJson[] }>("peers", "list");
      const others = live().filter((node) => node !== witness);
      expect(shown.peers.map(({ mesh_ip }) => mesh_ip).sort()).toEqual(
        others.map(({ known }) => known.mesh_ip).sort(),
      );
      for (const node of nodes) if (node.life === "gone") expect(await node.leftBehind()).toEqual([]);
      for (const node of nodes) if (!back.includes(node)) touched.delete(node);
      samples.push(await sampleOf(witness));
      told.push(`quiet: ${live().length} nodes agree after ${Math.round(ms)} ms`);
    };

    const event = async (number: number): Promise<void> => {
      const beginMs = nowMs();
      const [node, what] = choose();
      const untouched = live().filter(
        (other) =>
          other !== node && number - (touched.get(other) ?? -EVENTS_TO_SETTLE - 1) > EVENTS_TO_SETTLE,
      );
      touched.set(node, number);
      const pings = (await settledPairs(untouched)).map(([from, to]) => ({
        name: `${from.name} to ${to.name}`,
        ping: new SteadyPing(from.node, to.known.mesh_ip, PING_EVERY_MS),
      }));
      const done = await node.happen(what, chance);
      if (node.life !== "live") node.noteEnd(nodes);
      told.push(`${number}: ${node.name} ${done}`);
      await delay(Math.max(500, EVENT_MS - (nowMs() - beginMs)));
      const counts = await Promise.all(
        pings.map(async ({ name, ping }) => ({ name, ...(await ping.finish()) })),
      );
      const lost = counts.filter((count) => count.lost.length > 0 || count.sent === 0);
      expect(lost, "pings between nodes that nothing happened to").toEqual([]);
    };

    try {
      for (let number = 1; !isOver(); number += 1) {
        await event(number);
        if (number % EVENTS_UNTIL_QUIET === 0) await quiet();
      }
      await quiet();
      const growth = growthOf(samples);
      told.push(`the witness used at first ${JSON.stringify(samples[0])}, grew by ${JSON.stringify(growth)}`);
      for (const [name, most] of Object.entries(GROWTH)) {
        expect(growth[name as keyof Sample], name).toBeLessThanOrEqual(most);
      }
      for (const node of live()) await node.happen("goodbye", chance);
      for (const node of nodes) expect(await node.leftBehind()).toEqual([]);
    } finally {
      console.log(`WGMESH_CHURN_SEED=${seed}\n${told.join("\n")}`);
    }
  },
  minutes * 120_000 + 1_200_000,
);

/** Each and the one after it, where both go direct: a change from a relay to the direct path may cost what is on its way. */
async function settledPairs(nodes: readonly Churned[]): Promise<[Churned, Churned][]> {
  if (nodes.length < 2) return [];
  const pairs = nodes.map((node, index): [Churned, Churned] => [
    node,
    nodes[(index + 1) % nodes.length] as Churned,
  ]);
  const direct = await Promise.all(
    pairs.map(async ([a, b]) => (await goesDirect(a, b)) && (await goesDirect(b, a))),
  );
  return pairs.filter((_, index) => direct[index]);
}

async function goesDirect(from: Churned, to: Churned): Promise<boolean> {
  const { peers } = await from.node.rpc<{ peers: PeerJson[] }>("peers.list");
  return peers.some(({ path, pubkey }) => pubkey === to.known.pubkey && path === "direct");
}
