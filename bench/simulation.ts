/** Meshes simulated in virtual time (`__test__/simulator`): how long they take to be one, and what each node sends at rest. */
import { type Formation, formMesh } from "../__test__/simulator/formation.ts";
import { type Bench, type Measure, rounds } from "./measure.ts";

/** Others by `WGMESH_SIM_NODES`: the time it takes grows with the square, some five milliseconds of CPU for each of the pairs. */
const SIZES = process.env.WGMESH_SIM_NODES ? [Number(process.env.WGMESH_SIM_NODES)] : [10, 100];

export const simulation: Bench = {
  name: "simulation",
  async run(found) {
    for (const size of SIZES) {
      // A hundred nodes of one seed take a minute.
      const seeds = size > 30 ? 1 : rounds;
      const formed: Formation[] = [];
      for (let seed = 1; seed <= seeds; seed += 1) formed.push(await formMesh(size, seed));
      const row = (of: keyof Formation, what: string, unit: Measure["unit"]): Measure => ({
        ...{ name: `simulation-${size}-${of}`, what: `${size} nodes simulated: ${what}` },
        ...{ unit, goal: "lower", samples: formed.map((formation) => formation[of]) },
      });
      found(row("convergedMs", "one mesh", "ms"));
      found(row("datagrams", "datagrams of discovery a node sends at rest", "1/min"));
      found(row("bytes", "their bytes", "B/min"));
      found(row("tunnelDatagrams", "WireGuard's datagrams of a node at rest", "1/min"));
      found(row("wakes", "times a node at rest is woken by its own timers", "1/min"));
    }
    return [];
  },
};
