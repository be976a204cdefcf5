/** What `npm run bench` says at its end, and keeps in bench/RESULTS.md. Pure. */
import { messageOf } from "../src/core/errors.ts";
import { cells, type Measure } from "./measure.ts";
import { type Failure, isFailure, type Row } from "./runBenches.ts";

const header = [
  "What",
  "median",
  "lowest to highest",
  "compared with",
  "its median",
  "ratio",
  "goal",
  "at commit",
];

/** How it was measured, for every row. */
const notes = `"Every ping" means all ordered pairs of nodes, each pinged since before launch; a mesh is launched when its first daemon is.
Throughput is iperf3 over a veth pair, both ends on this machine, the two kinds in turn in each round.
Rows of the kernel backend at scale are of a VM under emulation: \`wg\` as a process from its start to its end, ours what the
daemon does for the same (read, compare, apply) by code that ran before, both in turn in each round. A cycle of the reconciler
also looks at the link, its addresses and the routes; \`wg syncconf\` beside it looks at peers alone.
A row is of the commit it names: \`npm run bench\` measures all of them, \`npm run bench -- --keep NAME\` some of them anew.
Run it alone: all namespaces share the kernel's neighbour table (\`gc_thresh3\`, 1,024 by default), of which 30 nodes fill 870.`;

/** One line of the table: what was measured at which commit; null for a bench that never was. */
export interface Line {
  readonly bench: string;
  readonly row: Row | null;
  readonly commit: string;
}

/** The table in Markdown, columns aligned. A bench that failed, or was never run, has a row that says so. */
export function table(lines: readonly Line[]): string {
  const all = [header, ...lines.map(cellsOf)];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const shown = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [shown(header), rule, ...all.slice(1).map(shown)].join("\n");
}

function cellsOf({ bench, row, commit }: Line): string[] {
  if (row === null) return lacking(bench, "not measured", commit);
  return isFailure(row) ? lacking(row.name, "failed", commit) : [...cells(row), commit];
}

/** Table and reasons. @param how what was measured, how often, on which machine; one sentence. */
export function report(lines: readonly Line[], how: string): string {
  const reasons = lines.flatMap(({ row }) => (row !== null && isFailure(row) ? [reason(row)] : []));
  return [table(lines), how, ...(reasons.length === 0 ? [] : [reasons.join("\n")])].join("\n\n");
}

/** The text of bench/RESULTS.md. */
export function results(lines: readonly Line[], how: string): string {
  const samples = rawSamples(lines.flatMap(({ row }) => (row === null || isFailure(row) ? [] : [row])));
  return `# Measured by \`npm run bench\`

${report(lines, how)}

${notes}

## Raw samples

\`\`\`
${samples}
\`\`\`
`;
}

const lacking = (name: string, what: string, commit: string): string[] => [
  name,
  what,
  "",
  "",
  "",
  "",
  "",
  commit,
];

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
