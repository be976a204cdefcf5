/** What a node costs that has ten peers and nothing to do. */
import { readdirSync, readFileSync } from "node:fs";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import { formMesh } from "../__test__/mesh/harness/ping.ts";
import { delay, median } from "../__test__/mesh/harness/time.ts";
import { type Bench, sampled } from "./measure.ts";
import { mebibytes } from "./tunnel/ends.ts";

const peers = 10;
/**
 * What is measured is idleness: LAN discovery announces often for a minute, gossip is calm after five, and V8 collects what the start
 * left behind in that time.
 */
const settleMs = 6 * 60_000;
const windowMs = 20_000;
export const idle: Bench = {
  name: "idle",
  async run() {
    const lab = new Lab();
    try {
      const nodes = Array.from({ length: peers + 1 }, (_, index) =>
        lab.addNode(`n${index}`, { flags: ["--log-level", "info"] }),
      );
      await formMesh(nodes);
      await delay(settleMs);
      const pids = nodes.map(({ pid }) => pid);
      const perNode = (read: (pid: number) => number): number => median(pids.map(read));
      const cpu = await sampled(async () => {
        const before = pids.map(exactCpuMs);
        await delay(windowMs);
        return median(pids.map((pid, index) => ((exactCpuMs(pid) - (before[index] ?? 0)) / windowMs) * 100));
      });
      const rss = await sampled(async () => perNode((pid) => mebibytes(`/proc/${pid}/status`, "VmRSS")));
      const pss = await sampled(async () => perNode((pid) => mebibytes(`/proc/${pid}/smaps_rollup`, "Pss")));
      return [
        {
          name: "idle-cpu",
          what: `idle CPU of a node with ${peers} peers`,
          unit: "%",
          goal: "≤ 0.1 %",
          samples: cpu,
        },
        {
          name: "idle-rss",
          what: `RSS of a node with ${peers} peers`,
          unit: "MiB",
          goal: "≤ 70 MiB",
          samples: rss,
        },
        {
          name: "idle-pss",
          what: `PSS of a node with ${peers} peers`,
          unit: "MiB",
          goal: "lower",
          samples: pss,
        },
      ];
    } finally {
      lab.dispose();
    }
  },
};

/** Of all its threads, by the scheduler's clock: the process's own count goes by ticks of 10 ms, half of the goal in a window. */
function exactCpuMs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map(
      (thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e6,
    )
    .reduce((sum, ms) => sum + ms, 0);
}
