/**
 * Runs inside the VM (see kernelScale.ts): the daemon's read, difference and apply against `wg`, in turn, in the same run.
 * Prints one line of JSON a row. Arguments: rounds, then sizes (see kernelScaleRows.ts).
 */
import { spawnSync } from "node:child_process";
import { daemonCore } from "../__test__/vm/scale/daemonCore.ts";
import { longLists, nodes, stepsOf } from "../__test__/vm/scale/population.ts";
import { Subject } from "../__test__/vm/scale/subject.ts";
import { assertHolds, run, WgConfig } from "../__test__/vm/scale/wg.ts";
import type { WantedPeer } from "../src/wireguard/backend.ts";
import type { Row } from "./kernelScaleRows.ts";

type Samples = { ours: number[]; theirs: number[]; startMs: number[] };

const commands = {
  everything: "setconf",
  nothing: "syncconf",
  "move endpoints": "syncconf",
  "move allowed IPs": "syncconf",
  "remove half": "syncconf",
  read: "show dump",
  reconcile: "syncconf",
} as const;

const CONFIG = "/run/scale.conf";
const EMPTY = "/run/empty.conf";
const OURS = "wgours";
const THEIRS = "wgtheirs";

/** As many as a daemon keeps. */
const RECONCILED_PEERS = 1_000;
const MANY_PEERS = 5_000;
/**
 * From here on removing waits for grace periods of the kernel, which take half as long or twice as long from one round to the next, for
 * us and for wg: the median of a few pairs would be chance.
 */
const WAITING_PEERS = 1_000;
const LEAST_ROUNDS_OF_WAITING = 11;
/**
 * Rounds before those that count: a daemon has run for long, while the first rounds of a process compile its code and grow its heap.
 * The smaller sizes have compiled it before the largest comes, whose heap is another.
 */
const WARM_UP = 4;
const WARM_UP_OF_MANY = 2;
/** The daemon's cycle has run for long whenever it matters: after these, five minutes of it, no more is compiled. */
const WARM_UP_CYCLES = 60;

async function timed(body: () => unknown): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}

function wg(...args: string[]): void {
  const { status, stderr } = spawnSync("wg", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (status !== 0) throw new Error(`wg ${args[0]} ended with ${status}: ${stderr}`);
}

/** Ours and theirs once each; the round says which comes first, so that neither always does. */
async function pair(samples: Samples, round: number, ours: () => unknown, args: string[]): Promise<void> {
  samples.startMs.push(await timed(() => wg("--version")));
  const oursFirst = round % 2 === 0;
  if (oursFirst) samples.ours.push(await timed(ours));
  samples.theirs.push(await timed(() => wg(...args)));
  if (!oursFirst) samples.ours.push(await timed(ours));
}

/** A device of ours and one of theirs; both go also when measuring fails. */
async function withDevices<T>(body: (subject: Subject, config: WgConfig) => Promise<T>): Promise<T> {
  const subject = new Subject(OURS);
  try {
    run("ip", "link", "add", THEIRS, "type", "wireguard");
    const config = new WgConfig();
    config.write(EMPTY, []);
    try {
      return await body(subject, config);
    } finally {
      // Peers first: deleting a link that has thousands takes minutes.
      wg("setconf", THEIRS, EMPTY);
      run("ip", "link", "del", THEIRS);
    }
  } finally {
    subject.close();
  }
}

class Rows {
  readonly #rows = new Map<Row["step"], Samples>();

  of(step: Row["step"]): Samples {
    const samples = this.#rows.get(step) ?? { ours: [], theirs: [], startMs: [] };
    this.#rows.set(step, samples);
    return samples;
  }

  /** Forgets what was measured so far. */
  clear(): void {
    this.#rows.clear();
  }

  print(size: string): void {
    for (const [step, samples] of this.#rows) {
      const row: Row = { size, step, command: commands[step], ...samples };
      console.log(JSON.stringify(row));
    }
  }
}

/** The links stay down: what is measured is configuring alone, and no handshake starts. */
function measureSteps(size: string, peers: readonly WantedPeer[], rounds: number): Promise<void> {
  return withDevices(async (subject, config) => {
    const rows = new Rows();
    // Written once, and looked at in the first round alone: what that leaves to the collector is not of what is measured.
    const steps = stepsOf(peers).map((step, index) => ({
      ...step,
      file: config.write(`/run/scale${index}.conf`, step.wanted),
    }));
    const first = 1 - (peers.length >= MANY_PEERS ? WARM_UP_OF_MANY : WARM_UP);
    for (let round = first; round <= rounds; round += 1) {
      if (round === 1) rows.clear();
      await subject.empty();
      wg("setconf", THEIRS, EMPTY);
      for (const { name, wanted, file } of steps) {
        await pair(rows.of(name), round, () => subject.sync(wanted), [commands[name], THEIRS, file]);
        if (round === first) for (const link of [OURS, THEIRS]) assertHolds(link, wanted);
        if (name === "nothing") {
          await pair(rows.of("read"), round, () => subject.backend.read(), ["show", THEIRS, "dump"]);
        }
      }
    }
    rows.print(size);
  });
}

function measureReconciler(rounds: number): Promise<void> {
  return withDevices(async (subject, config) => {
    wg("setconf", THEIRS, config.write(CONFIG, nodes(RECONCILED_PEERS)));
    const { reconciler, meet } = await daemonCore(subject);
    for (let number = 1; number <= RECONCILED_PEERS; number += 1) meet(number, 1000 + number);
    const rows = new Rows();
    const cycle = async (): Promise<void> => {
      const { error } = await reconciler.runOnce();
      if (error !== null) throw new Error(error);
    };
    // The first makes the peers.
    for (let count = 0; count < WARM_UP_CYCLES; count += 1) await cycle();
    for (let round = 1; round <= rounds; round += 1) {
      await pair(rows.of("reconcile"), round, cycle, ["syncconf", THEIRS, CONFIG]);
    }
    rows.print(`${RECONCILED_PEERS}`);
  });
}

/** A size that fails does not keep the others from being measured. */
async function measure(size: string, rounds: number): Promise<void> {
  try {
    const peers = size === "lists" ? longLists() : nodes(Number(size));
    const least = peers.length >= WAITING_PEERS ? LEAST_ROUNDS_OF_WAITING : 1;
    await measureSteps(size, peers, Math.max(rounds, least));
    if (size === `${RECONCILED_PEERS}`) await measureReconciler(Math.max(rounds, least));
  } catch (error) {
    console.error(`${size}:`, error);
    process.exitCode = 1;
  }
}

const [roundsText = "5", ...sizes] = process.argv.slice(2);
for (const size of sizes) await measure(size, Number(roundsText));
