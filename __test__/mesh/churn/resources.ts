/** What a daemon uses while the mesh churns: none of it may grow. */
import { readdirSync, readFileSync } from "node:fs";
import type { StatusJson } from "../harness/node.ts";
import { median } from "../harness/time.ts";
import type { Churned } from "./churned.ts";

export interface Sample {
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly tasks: number;
}

/** Of a node that is live, once all agree. */
export async function sampleOf({ node }: Churned): Promise<Sample> {
  const { pid, tasks } = await node.rpc<StatusJson & { readonly tasks: readonly unknown[] }>("daemon.status");
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return {
    residentBytes: Number(resident) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    tasks: tasks.length,
  };
}

/** How far the last samples lie above the first ones: medians of thirds, since a heap swings and an exchange may be under way. */
export function growthOf(samples: readonly Sample[]): Sample {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const growth = (read: (sample: Sample) => number): number =>
    median(samples.slice(-third).map(read)) - median(samples.slice(0, third).map(read));
  return {
    residentBytes: growth(({ residentBytes }) => residentBytes),
    descriptors: growth(({ descriptors }) => descriptors),
    threads: growth(({ threads }) => threads),
    tasks: growth(({ tasks }) => tasks),
  };
}
