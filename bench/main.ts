import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { idle } from "./idle.ts";
import { kernelScale } from "./kernelScale.ts";
import { interfaceUp, mesh, restart } from "./launch.ts";
import { line, rawSamples, rounds, table } from "./measure.ts";
import { natIdle, natMeshes } from "./nat.ts";
import { native } from "./native.ts";
import { runBenches } from "./runBenches.ts";
import { manyPeers } from "./tunnel/manyPeers.ts";
import { relay } from "./tunnel/relay.ts";
import { throughput } from "./tunnel/throughput.ts";

const benches = [
  interfaceUp,
  mesh(3),
  mesh(10),
  mesh(30),
  restart,
  idle,
  ...natMeshes,
  natIdle,
  throughput,
  relay,
  manyPeers,
  native,
  kernelScale,
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

const { measures, failures } = await runBenches(
  benches.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
  {
    began: (name) => console.error(`measuring ${name}`),
    found: (measure) => console.error(`  ${line(measure)}`),
  },
);

const report = `${table(measures)}\n\nMedian of ${rounds}, embedded backend, all nodes of a row on one machine: ${machine()}.`;
console.log(report);
for (const { name, error } of failures) console.error(`${name} failed:`, error);
if (failures.length > 0) {
  process.exitCode = 1;
} else if (wanted.length === 0) {
  writeFileSync(
    "bench/RESULTS.md",
    `# Measured by \`npm run bench\`

${report}

"Every ping" means all ordered pairs of nodes, each pinged since before launch; a mesh is launched when its first daemon is.
Throughput is one TCP stream of iperf3 over a veth pair, both ends on this machine, the three kinds in turn in each round.
Rows of the kernel backend at scale are of a VM under emulation: \`wg\` as a process from its start to its end, ours what the
daemon does for the same (read, compare, apply) by code that ran before, both in turn in each round. A cycle of the reconciler
also looks at the link, its addresses and the routes; \`wg syncconf\` beside it looks at peers alone.
Run it alone: all namespaces share the kernel's neighbour table (\`gc_thresh3\`, 1,024 by default), of which 30 nodes fill 870.

## Raw samples

\`\`\`
${rawSamples(measures)}
\`\`\`
`,
  );
}
