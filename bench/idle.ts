/** What a node costs that has ten peers and nothing to do. */
import { readFileSync } from "node:fs";
import { Lab } from "../__test__/mesh/harness/lab.ts";
import { formMesh } from "../__test__/mesh/harness/ping.ts";
import { delay, median } from "../__test__/mesh/harness/time.ts";
import { type Bench, sampled } from "./measure.ts";

const peers = 10;
const settleMs = 15_000;
const windowMs = 20_000;
/** USER_HZ; 100 on every Linux. */
const ticksPerSecond = 100;

/** User and system time of a process in milliseconds (proc(5), fields 14 and 15 of stat). */
function cpuMs(pid: number): number {
  const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(afterName[11]) + Number(afterName[12])) * 1000) / ticksPerSecond;
}

function mebibytes(file: string, field: string): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(file, "utf8"))?.[1];
  return Number(kibibytes) / 1024;
}

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
        const before = pids.map(cpuMs);
        await delay(windowMs);
        return median(pids.map((pid, index) => ((cpuMs(pid) - (before[index] ?? 0)) / windowMs) * 100));
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
