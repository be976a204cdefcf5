/**
 * Nodes that end, come back, move and change their networks, one every 5 s: whenever it is quiet all agree, and those that nothing
 * happened to have lost no ping. WGMESH_CHURN_MINUTES makes it longer, WGMESH_CHURN_SEED has the same events again.
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { seededRandom } from "../unit/support/seededRandom.ts";
import { untilAllAgree } from "./churn/agreement.ts";
import { Churned, happenings } from "./churn/churned.ts";
import { type LostPing, Pinged } from "./churn/pinged.ts";
import { Resources } from "./churn/resources.ts";
import { Schedule } from "./churn/schedule.ts";
import type { PeerJson } from "./harness/node.ts";
import { delay, isEmulated, nowMs } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Under emulation an event takes many times as long: a few must do. */
const small = isEmulated;
const { WGMESH_CHURN_MINUTES, WGMESH_CHURN_SEED } = process.env;
const minutes = Number(WGMESH_CHURN_MINUTES ?? (small ? 0.5 : 3));
/** The short form has the same events each time: what it finds is a change of the code. */
const usualSeed = 1_745_564_048;
const seed = Number(WGMESH_CHURN_SEED ?? (WGMESH_CHURN_MINUTES ? randomInt(2 ** 31) : usualSeed));
const NODES = small ? 3 : 8;
/** Fewer than these never live at a time. */
const LEAST_ALIVE = small ? 2 : 4;
const EVENT_MS = 5_000;
/** Each kind of event once, and one more: however long that takes. */
const LEAST_EVENTS = small ? happenings.length + 1 : 0;
const EVENTS_UNTIL_QUIET = small ? 3 : 6;
const PROMISED_MS = 3_000;
/** With so many events each kind has happened. */
const ALL_KINDS = 20;

const random = seededRandom(String(seed));
const lab = useLab();

test(
  "after every event, and at the end, all nodes agree and nothing is left over",
  async () => {
    console.log(`WGMESH_CHURN_SEED=${seed}: ${NODES} nodes, ${minutes} minutes`);
    const nodes = Array.from({ length: NODES }, (_, index) => new Churned(lab, index));
    for (const node of nodes) await node.before;
    await Promise.all(nodes.map((node) => node.start()));
    const live = (): Churned[] => nodes.filter(({ life }) => life === "live");
    console.log(`all agree after ${Math.round(await untilAllAgree(nodes, PROMISED_MS))} ms`);

    const schedule = new Schedule(nodes, random, LEAST_ALIVE);
    const pinged = new Pinged();
    const resources = new Resources();
    const agreedMs: number[] = [];
    const startMs = nowMs();
    let told: string[] = [];
    let events = 0;

    /** What has happened since the last time, so that whoever waits an hour sees how it goes, and with which seed. */
    const tell = (): void => {
      const atSeconds = Math.round((nowMs() - startMs) / 1000);
      console.log(`WGMESH_CHURN_SEED=${seed}, ${atSeconds} s, ${events} events\n${told.join("\n")}`);
      told = [];
    };

    const quiet = async (): Promise<void> => {
      // Others keep a killed node for minutes, as they cannot tell it from one that is out of reach.
      const back = nodes.filter(({ life }) => life === "killed");
      for (const node of back) await node.start();
      const ms = await untilAllAgree(nodes, PROMISED_MS);
      agreedMs.push(ms);
      const [shows, ...others] = live() as [Churned, ...Churned[]];
      const shown = await shows.node.clientJson<{ peers: PeerJson[] }>("peers", "list");
      expect(shown.peers.filter(({ state }) => state === "connected").map(({ mesh_ip }) => mesh_ip)).toEqual(
        expect.arrayContaining(others.map(({ known }) => known.mesh_ip)),
      );
      for (const node of nodes) if (node.life === "gone") expect(await node.leftBehind()).toEqual([]);
      pinged.settled(nodes.filter((node) => !back.includes(node)));
      await resources.note(live());
      told.push(`quiet: ${live().length} nodes agree after ${Math.round(ms)} ms`);
      tell();
    };

    const event = async (): Promise<void> => {
      const beginMs = nowMs();
      const { node, what } = schedule.next();
      events += 1;
      await pinged.begin(live(), node);
      const done = await node.happen(what, random);
      if (node.life !== "live") node.noteEnd(nodes);
      told.push(`${events}: ${node.name} ${done}`);
      await delay(Math.max(500, EVENT_MS - (nowMs() - beginMs)));
      expect(await pinged.finish(), "pings between nodes that nothing happened to").toEqual<LostPing[]>([]);
    };

    try {
      while (nowMs() - startMs <= minutes * 60_000 || events < LEAST_EVENTS) {
        await event();
        if (events % EVENTS_UNTIL_QUIET === 0) await quiet();
      }
      await quiet();
      if (events >= ALL_KINDS)
        expect([...schedule.counts.keys()]).toEqual(expect.arrayContaining([...happenings]));
      expect(
        await resources.grown(live()),
        "what nodes use more than when they were first looked at",
      ).toEqual([]);
      expect(resources.swollen(), "runs whose memory grew").toEqual([]);
      for (const node of live()) await node.happen("goodbye", random);
      for (const node of nodes) expect(await node.leftBehind()).toEqual([]);
      told.push("all ended, and nothing is left over");
    } finally {
      tell();
      const counts = [...schedule.counts].map(([what, count]) => `${what} ${count}`).join(", ");
      console.log(
        [
          `WGMESH_CHURN_SEED=${seed}: ${events} events in ${Math.round((nowMs() - startMs) / 1000)} s: ${counts}`,
          `quiet ${agreedMs.length} times, all agreed after ${Math.round(Math.max(0, ...agreedMs))} ms at most`,
          pinged.summary(),
          resources.summary(),
        ].join("\n"),
      );
    }
  },
  minutes * 120_000 + 1_200_000,
);
