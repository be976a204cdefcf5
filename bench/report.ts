/** What `npm run bench` says at its end, and keeps in bench/RESULTS.md. Pure. */
import { messageOf } from "../src/core/errors.ts";
import { cells, type Measure } from "./measure.ts";
import { type Failure, isFailure, type Outcome } from "./runBenches.ts";

const header = ["What", "median", "lowest to highest", "compared with", "its median", "ratio", "goal"];

/** How it was measured, for every row. */
const notes = `"Every ping" means all ordered pairs of nodes, each pinged since before launch; a mesh is launched when its first daemon is.
Throughput is iperf3 over a veth pair, both ends on this machine, the two kinds in turn in each round.
Rows of the kernel backend at scale are of a VM under emulation: \`wg\` as a process from its start to its end, ours what the
daemon does for the same (read, compare, apply) by code that ran before, both in turn in each round. A cycle of the reconciler
also looks at the link, its addresses and the routes; \`wg syncconf\` beside it looks at peers alone.
Run it alone: all namespaces share the kernel's neighbour table (\`gc_thresh3\`, 1,024 by default), of which 30 nodes fill 870.`;

/** The table in Markdown, columns aligned. A bench that failed, or has not ended, has a row that says so. */
export function table({ rows, missing }: Outcome): string {
  const all = [
    header,
    ...rows.map((row) => (isFailure(row) ? lacking(row.name, "failed") : cells(row))),
    ...missing.map((name) => lacking(name, "not measured")),
  ];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const shown = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [shown(header), rule, ...all.slice(1).map(shown)].join("\n");
}

/** Table and reasons. @param how what was measured, how often, on which machine; one sentence. */
export function report(outcome: Outcome, how: string): string {
  const reasons = outcome.rows.filter(isFailure).map(reason);
  return [table(outcome), how, ...(reasons.length === 0 ? [] : [reasons.join("\n")])].join("\n\n");
}

/** The text of bench/RESULTS.md. */
export function results(outcome: Outcome, how: string): string {
  const samples = rawSamples(outcome.rows.filter((row): row is Measure => !isFailure(row)));
  return `# Measured by \`npm run bench\`

${report(outcome, how)}

${notes}

## Raw samples

\`\`\`
${samples}
\`\`\`
`;
}

const lacking = (name: string, what: string): string[] => [name, what, "", "", "", "", ""];

/** The first line: what follows it is for the terminal. */
function reason({ name, error }: Failure): string {
  return `\`${name}\` failed: ${messageOf(error).split("\n", 1)[0]}`;
}

/** The samples as they were taken, one line a row. */
function rawSamples(measures: readonly Measure[]): string {
  const taken = (name: string, unit: string, samples: readonly number[]): string =>
    `${name} (${unit}): ${samples.map((sample) => sample.toFixed(2)).join(" ")}`;
  return measures
    .flatMap(({ name, unit, samples, against }) => [
      taken(name, unit, samples),
      ...(against === undefined ? [] : [taken(`${name}, ${against.what}`, unit, against.samples)]),
    ])
    .join("\n");
}
