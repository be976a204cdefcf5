/** What goes through the embedded backend and what it costs, against the newest wireguard-go in the same run. */
import { Lab } from "../../__test__/mesh/harness/lab.ts";
import { median } from "../../__test__/mesh/harness/time.ts";
import { type Bench, type Measure, rounds } from "../measure.ts";
import { mebibytes, newestWireguardGo, ours, type Tunnel, type TunnelKind, wireguardGo } from "./ends.ts";
import { type Load, move } from "./iperf.ts";
import { latencyUnderLoad } from "./latency.ts";

const back = { what: ", backwards", flags: ["--reverse"] };
const directions = [{ what: "", flags: [] }, back];

interface GoalLoad extends Load {
  readonly name: string;
  readonly goal: string;
}

const tcp = (streams: number): GoalLoad => ({
  name: `tcp${streams}`,
  what: `TCP, ${streams} ${streams === 1 ? "stream" : "streams"}`,
  flags: ["--parallel", String(streams)],
  goal: "ratio ≥ 1.2",
});

const udp = (bytes: number, goal: string): GoalLoad => ({
  name: `udp${bytes}`,
  what: `UDP of ${bytes} bytes, as fast as it goes, received`,
  flags: ["--udp", "--bitrate", "0", "--length", String(bytes)],
  goal,
});

const loads: readonly GoalLoad[] = [tcp(1), tcp(8), udp(1400, "ratio ≥ 1.2"), udp(64, "ratio ≥ 1.0")].flatMap(
  (load) =>
    directions.map((direction) => ({
      ...load,
      name: direction === back ? `${load.name}-back` : load.name,
      what: load.what + direction.what,
      flags: [...load.flags, ...direction.flags],
    })),
);

/** What one tunnel showed in one round. */
interface Sample {
  /** Mbit/s by load, then CPU seconds per GB by load. */
  readonly megabits: readonly number[];
  readonly cpu: readonly number[];
  readonly latency: { readonly medianUs: number; readonly p99Us: number };
  readonly rssMebibytes: number;
}

async function sample(tunnel: Tunnel): Promise<Sample> {
  const moved = [];
  for (const load of loads) moved.push(await move(tunnel, load));
  const latency = await latencyUnderLoad(tunnel);
  const rssMebibytes = median(tunnel.pids.map((pid) => mebibytes(`/proc/${pid}/status`, "VmRSS")));
  return {
    megabits: moved.map(({ megabits }) => megabits),
    cpu: moved.map(({ cpuPerGigabyte }) => cpuPerGigabyte),
    latency,
    rssMebibytes,
  };
}

/** Rows of all that was sampled. */
function measures(what: string, mine: readonly Sample[], theirs: readonly Sample[]): Measure[] {
  const row = (
    head: Pick<Measure, "name" | "what" | "unit" | "goal">,
    read: (sample: Sample) => number,
  ): Measure => ({ ...head, samples: mine.map(read), against: { what, samples: theirs.map(read) } });
  return [
    ...loads.map((load, index) =>
      row({ ...load, unit: "Mbit/s" }, ({ megabits }) => megabits[index] ?? Number.NaN),
    ),
    ...loads.map((load, index) =>
      row(
        { name: `${load.name}-cpu`, what: `${load.what}: CPU of both ends`, unit: "s/GB", goal: "less" },
        ({ cpu }) => cpu[index] ?? Number.NaN,
      ),
    ),
    row(
      { name: "latency-median", what: "ping beside one TCP stream, median", unit: "µs", goal: "less" },
      ({ latency }) => latency.medianUs,
    ),
    row(
      { name: "latency-p99", what: "ping beside one TCP stream, 99th percentile", unit: "µs", goal: "less" },
      ({ latency }) => latency.p99Us,
    ),
    row(
      {
        name: "throughput-rss",
        what: "RSS after all of it (ours: the whole daemon)",
        unit: "MiB",
        goal: "",
      },
      ({ rssMebibytes }) => rssMebibytes,
    ),
  ];
}

export const throughput: Bench = {
  name: "throughput",
  async run(): Promise<Measure[]> {
    const lab = new Lab();
    try {
      const theirs = wireguardGo("newest wireguard-go", await newestWireguardGo(lab));
      const samples = new Map<TunnelKind, Sample[]>([ours, theirs].map((kind) => [kind, []]));
      for (let round = 1; round <= rounds; round += 1) {
        let number = 0;
        for (const [kind, list] of samples) {
          number += 1;
          const tunnel = await kind.make(lab, `t${round}${number}`);
          list.push(await sample(tunnel));
          await tunnel.end();
        }
      }
      return measures(theirs.what, samples.get(ours) ?? [], samples.get(theirs) ?? []);
    } finally {
      lab.dispose();
    }
  },
};
