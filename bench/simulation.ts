/** Meshes simulated in virtual time (`__test__/simulator`): how long they take to be one, and what each node sends at rest. */
import { type Formation, type FormationOptions, formMesh } from "../__test__/simulator/formation.ts";
import { type Bench, type Measure, rounds } from "./measure.ts";

/** Others by `WGMESH_SIM_NODES`, with views of at most `WGMESH_SIM_MAX_PEERS`: the time it takes grows with the places in all views. */
const SIZES = process.env.WGMESH_SIM_NODES ? [Number(process.env.WGMESH_SIM_NODES)] : [10, 100, 300];
const maxPeers = process.env.WGMESH_SIM_MAX_PEERS ? Number(process.env.WGMESH_SIM_MAX_PEERS) : undefined;

export const simulation: Bench = {
  name: "simulation",
  async run(found) {
    for (const size of SIZES) await measure(size, { maxPeers }, found);
    return [];
  },
};

/** These take hours, or gigabytes, so they are measured when they are asked for by name, and their rows are kept otherwise. */
export const largeSimulations: readonly Bench[] = [
  { size: 1_000, maxPeers: undefined },
  { size: 10_000, maxPeers: 100 },
  { size: 10_000, maxPeers: 1_000 },
].map(({ size, maxPeers: most }) => ({
  name: `simulation-${size}${most === undefined ? "" : `-of-${most}`}`,
  isOnlyNamed: true,
  async run(found) {
    await measure(size, { maxPeers: most, tell: (line) => console.error(`  ${line}`) }, found);
    return [];
  },
}));

async function measure(
  size: number,
  options: FormationOptions,
  found: (measure: Measure) => void,
): Promise<void> {
  // A hundred nodes of one seed take half a minute, three hundred five.
  const seeds = size > 30 ? 1 : rounds;
  const formed: Formation[] = [];
  const before = process.cpuUsage();
  for (let seed = 1; seed <= seeds; seed += 1) formed.push(await formMesh(size, seed, options));
  const { user, system } = process.cpuUsage(before);
  const views = options.maxPeers === undefined ? "" : ` with views of ${options.maxPeers}`;
  const row = (name: string, what: string, unit: Measure["unit"], samples: readonly number[]): void =>
    found({
      ...{ name: `simulation-${size}-${name}`, what: `${size} nodes simulated${views}: ${what}` },
      ...{ unit, goal: "lower", samples },
    });
  const rowOf = (of: keyof Formation, what: string, unit: Measure["unit"]): void =>
    row(
      of,
      what,
      unit,
      formed.map((formation) => formation[of]),
    );
  rowOf("convergedMs", "one mesh", "ms");
  rowOf("datagrams", "datagrams of discovery a node sends at rest", "1/min");
  rowOf("bytes", "their bytes", "B/min");
  rowOf("tunnelDatagrams", "WireGuard's datagrams of a node at rest", "1/min");
  rowOf("wakes", "times a node at rest is woken by its own timers", "1/min");
  if (views !== "") rowOf("tunnels", "tunnels of a node", "tunnels");
  row("cpu", "CPU of the simulation", "s", [(user + system) / 1e6 / seeds]);
  row("memory", "memory of the simulation", "MiB", [process.resourceUsage().maxRSS / 1024]);
}
