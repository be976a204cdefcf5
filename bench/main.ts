import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { idle } from "./idle.ts";
import { kernelScales } from "./kernelScale.ts";
import { interfaceUp, mesh, restart } from "./launch.ts";
import { line, rounds } from "./measure.ts";
import { natIdle, natMeshes } from "./nat.ts";
import { native } from "./native.ts";
import { report, results } from "./report.ts";
import { linesOf, readResults, writeResults } from "./results.ts";
import { isFailure, runBenches } from "./runBenches.ts";
import { largeSimulations, simulation } from "./simulation.ts";
import { status } from "./status.ts";
import { manyPeers } from "./tunnel/manyPeers.ts";
import { relay } from "./tunnel/relay.ts";
import { throughput } from "./tunnel/throughput.ts";

const benches = [
  ...kernelScales,
  throughput,
  interfaceUp,
  mesh(3),
  mesh(10),
  mesh(30),
  restart,
  status,
  simulation,
  ...largeSimulations,
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

/** Short, and says when the tree was not as committed. */
function commit(): string {
  const git = (...args: string[]): string => execFileSync("git", args).toString().trim();
  return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", "src", "native", "bench") === "" ? "" : "+"}`;
}

const { values: flags, positionals: wanted } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
  allowPositionals: true,
});
const names = benches.map(({ name }) => name);
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0)
  throw new Error(`no such measure: ${unknown.join(", ")}; there are ${names.join(", ")}`);

const isWhole = wanted.length === 0;
const chosen = benches.filter(({ name, isOnlyNamed }) =>
  isWhole ? isOnlyNamed !== true : wanted.includes(name),
);
const how = `Median of ${rounds} or more, embedded backend, all nodes of a row on one machine: ${machine()}.`;
const measuredAt = commit();

const isMeasured = (name: string): boolean => chosen.some((bench) => bench.name === name);
const kept = new Map(Object.entries(readResults()).filter(([name]) => !isWhole || !isMeasured(name)));
const outcome = await runBenches(chosen, {
  began: (name) => console.error(`measuring ${name}`),
  found: (measure) => console.error(`  ${line(measure)}`),
  ended(name, rows) {
    if (!isWhole && !flags.keep) return;
    // Each time: a run takes long, and one that somebody ends has measured something all the same.
    kept.set(name, { commit: measuredAt, rows });
    writeResults(Object.fromEntries(kept));
    writeFileSync("bench/RESULTS.md", results(linesOf(names, Object.fromEntries(kept)), how));
  },
});

const lines = [...outcome].flatMap(([bench, rows]) =>
  rows.map((row) => ({ bench, row, commit: measuredAt })),
);
console.log(report(lines, how));
for (const { row } of lines) {
  if (!isFailure(row)) continue;
  console.error(`${row.name} failed:`, row.error);
  process.exitCode = 1;
}
