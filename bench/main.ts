import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { idle } from "./idle.ts";
import { kernelScale } from "./kernelScale.ts";
import { interfaceUp, mesh, restart } from "./launch.ts";
import { line, rounds } from "./measure.ts";
import { natIdle, natMeshes } from "./nat.ts";
import { native } from "./native.ts";
import { report, results } from "./report.ts";
import { isFailure, runBenches } from "./runBenches.ts";
import { status } from "./status.ts";
import { manyPeers } from "./tunnel/manyPeers.ts";
import { relay } from "./tunnel/relay.ts";
import { throughput } from "./tunnel/throughput.ts";

const benches = [
  kernelScale,
  throughput,
  interfaceUp,
  mesh(3),
  mesh(10),
  mesh(30),
  restart,
  status,
  idle,
  ...natMeshes,
  relay,
  native,
  manyPeers,
  natIdle,
];

/** A machine is named by its size only. */
function machine(): string {
  const kernel = execFileSync("uname", ["-r"]).toString().split(".").slice(0, 2).join(".");
  return `${cpus().length} cores, ${Math.ceil(totalmem() / 2 ** 30)} GiB, Linux ${kernel}, Node ${process.versions.node}`;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0)
  throw new Error(
    `no such measure: ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}`,
  );

const chosen = benches.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const how = `Median of ${rounds}, embedded backend, all nodes of a row on one machine: ${machine()}.`;

const outcome = await runBenches(chosen, {
  began: (name) => console.error(`measuring ${name}`),
  found: (measure) => console.error(`  ${line(measure)}`),
  ended(soFar) {
    // Each time: a run takes long, and one that somebody ends has measured something all the same.
    if (wanted.length === 0) writeFileSync("bench/RESULTS.md", results(soFar, how));
  },
});

console.log(report(outcome, how));
for (const { name, error } of outcome.rows.filter(isFailure)) {
  console.error(`${name} failed:`, error);
  process.exitCode = 1;
}
