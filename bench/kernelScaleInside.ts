/**
 * Runs inside the VM (see kernelScale.ts): the daemon's read, difference and apply against `wg`, in turn, in the same run.
 * Prints one line of JSON a row.
 */
import { spawnSync } from "node:child_process";
import { longLists, nodes, type Step, stepsOf } from "../__test__/vm/scale/population.ts";
import { Subject } from "../__test__/vm/scale/subject.ts";
import { assertHolds, run, WgConfig } from "../__test__/vm/scale/wg.ts";
import type { WantedPeer } from "../src/wireguard/backend.ts";

/** What one row was measured on. */
export interface Row {
  readonly size: string;
  readonly step: Step["name"] | "read";
  /** What `wg` did meanwhile. */
  readonly command: "setconf" | "syncconf" | "show dump";
  /** Milliseconds, in the order taken. */
  readonly ours: readonly number[];
  /** The same of `wg`, less what starting it costs, which is in `startMs`. */
  readonly theirs: readonly number[];
  readonly startMs: readonly number[];
}

const commands = {
  everything: "setconf",
  nothing: "syncconf",
  "move endpoints": "syncconf",
  "move allowed IPs": "syncconf",
  "remove half": "syncconf",
  read: "show dump",
} as const;

const CONFIG = "/run/scale.conf";
const EMPTY = "/run/empty.conf";

async function timed(body: () => unknown): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}

function wg(...args: string[]): void {
  const { status, stderr } = spawnSync("wg", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (status !== 0) throw new Error(`wg ${args[0]} ended with ${status}: ${stderr}`);
}

/** Ours and theirs once each, in the order that `turn` says, so that neither always comes first. */
async function pair(
  row: { ours: number[]; theirs: number[]; startMs: number[] },
  turn: number,
  ours: () => unknown,
  args: string[],
): Promise<void> {
  const start = await timed(() => wg("--version"));
  const first = turn % 2 === 0;
  if (first) row.ours.push(await timed(ours));
  const theirs = await timed(() => wg(...args));
  if (!first) row.ours.push(await timed(ours));
  row.startMs.push(start);
  row.theirs.push(theirs - start);
}

async function measure(size: string, peers: readonly WantedPeer[], rounds: number): Promise<Row[]> {
  const subject = new Subject("wgours");
  run("ip", "link", "add", "wgtheirs", "type", "wireguard");
  const config = new WgConfig();
  config.write(EMPTY, []);
  const rows = new Map<Row["step"], { ours: number[]; theirs: number[]; startMs: number[] }>();
  const rowOf = (step: Row["step"]) => {
    const row = rows.get(step) ?? { ours: [], theirs: [], startMs: [] };
    rows.set(step, row);
    return row;
  };
  try {
    // One more than is counted: the first compiles our code and loads theirs from the disk.
    for (let round = 0; round <= rounds; round += 1) {
      if (round === 1) rows.clear();
      await subject.empty();
      wg("setconf", "wgtheirs", EMPTY);
      for (const { name, wanted } of stepsOf(peers)) {
        config.write(CONFIG, wanted);
        await pair(rowOf(name), round, () => subject.sync(wanted), [commands[name], "wgtheirs", CONFIG]);
        if (round === rounds) for (const link of ["wgours", "wgtheirs"]) assertHolds(link, wanted);
        if (name === "nothing") {
          await pair(rowOf("read"), round, () => subject.backend.read(), ["show", "wgtheirs", "dump"]);
        }
      }
    }
  } finally {
    subject.close();
    wg("setconf", "wgtheirs", EMPTY);
    run("ip", "link", "del", "wgtheirs");
  }
  return [...rows].map(([step, samples]) => ({ size, step, command: commands[step], ...samples }));
}

/** Arguments: rounds, then how many peers, or `lists`. */
const [roundsText = "5", ...sizes] = process.argv.slice(2);
for (const size of sizes) {
  const peers = size === "lists" ? longLists() : nodes(Number(size));
  for (const row of await measure(size, peers, Number(roundsText))) console.log(JSON.stringify(row));
}
