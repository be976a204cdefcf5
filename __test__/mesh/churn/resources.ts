/** What daemons use while the mesh churns: none of it may grow from a run's first quiet moment to its last. */
import { readdirSync, readFileSync } from "node:fs";
import type { StatusJson } from "../harness/node.ts";
import { allowanceMs, delay, median, nowMs } from "../harness/time.ts";
import type { Churned } from "./churned.ts";

export interface Sample {
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly tasks: number;
}

/** Above what a run used at first. A heap swings; three descriptors are what an exchange that is under way takes. */
const MOST_GROWTH = { descriptors: 3, threads: 2, tasks: 0 } as const;
const MOST_RESIDENT_GROWTH_BYTES = 32 << 20;
/** Relays that are in use have sockets and threads for a minute and a quarter after the pair went direct; a leak has them for ever. */
const GIVEN_BACK_MS = 12_000;
const LOOK_EVERY_MS = 2_000;
/** Fewer samples tell a heap that swings from one that grows by chance alone. */
const LEAST_SAMPLES = 4;

/** Of a node that is live, once all agree. */
async function sampleOf({ node }: Churned): Promise<Sample> {
  const { pid, tasks } = await node.rpc<StatusJson & { readonly tasks: readonly unknown[] }>("daemon.status");
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return {
    residentBytes: Number(resident) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    tasks: tasks.length,
  };
}

/** One run of a daemon: from its start, or restart in place, to its end. */
interface Run {
  readonly name: string;
  readonly sinceMs: number;
  lastMs: number;
  readonly samples: Sample[];
}

export class Resources {
  readonly #runs = new Map<string, Run>();

  /** Call it once all agree. */
  async note(live: readonly Churned[]): Promise<void> {
    for (const node of live) {
      const run = this.#runOf(node);
      run.samples.push(await sampleOf(node));
      run.lastMs = nowMs();
    }
  }

  /** In words, what a live node uses more than when it was first looked at; waits for what is only held for a while. */
  async grown(live: readonly Churned[]): Promise<string[]> {
    const startMs = nowMs();
    for (;;) {
      const found: string[] = [];
      for (const node of live) {
        const first = this.#runOf(node).samples[0];
        if (first !== undefined) found.push(...excess(node.name, first, await sampleOf(node)));
      }
      if (found.length === 0 || nowMs() - startMs > allowanceMs(GIVEN_BACK_MS)) return found;
      await delay(LOOK_EVERY_MS);
    }
  }

  /** In words, the runs whose heap grew: the last third of the samples against the first. */
  swollen(): string[] {
    return [...this.#runs.values()]
      .filter(({ samples }) => samples.length >= LEAST_SAMPLES)
      .filter(({ samples }) => residentGrowthBytes(samples) > MOST_RESIDENT_GROWTH_BYTES)
      .map(({ name, samples }) => `${name} grew by ${mebibytes(residentGrowthBytes(samples))}`);
  }

  /** The run that was watched longest, in one line. */
  summary(): string {
    const [longest] = [...this.#runs.values()].sort((a, b) => b.lastMs - b.sinceMs - (a.lastMs - a.sinceMs));
    if (longest === undefined) return "nobody was looked at";
    const { name, sinceMs, lastMs, samples } = longest;
    return [
      `${name} was watched longest: ${Math.round((lastMs - sinceMs) / 1000)} s, ${samples.length} looks`,
      `memory grew by ${mebibytes(residentGrowthBytes(samples))}`,
      `descriptors ${samples.map(({ descriptors }) => descriptors).join(" ")}`,
      `threads ${samples.map(({ threads }) => threads).join(" ")}`,
    ].join("; ");
  }

  #runOf(node: Churned): Run {
    const name = `${node.name}, run ${node.run}`;
    const now = nowMs();
    const run = this.#runs.get(name) ?? { name, sinceMs: now, lastMs: now, samples: [] };
    this.#runs.set(name, run);
    return run;
  }
}

function excess(name: string, first: Sample, now: Sample): string[] {
  return (Object.keys(MOST_GROWTH) as (keyof typeof MOST_GROWTH)[])
    .filter((what) => now[what] > first[what] + MOST_GROWTH[what])
    .map((what) => `${name}: ${now[what]} ${what}, at first ${first[what]}`);
}

function residentGrowthBytes(samples: readonly Sample[]): number {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const middle = (some: readonly Sample[]): number => median(some.map(({ residentBytes }) => residentBytes));
  return middle(samples.slice(-third)) - middle(samples.slice(0, third));
}

const mebibytes = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
