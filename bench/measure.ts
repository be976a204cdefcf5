import { median } from "../__test__/mesh/harness/time.ts";

/** One row of the table. */
export interface Measure {
  /** What `npm run bench -- NAME` calls it. */
  readonly name: string;
  readonly what: string;
  readonly unit: "ms" | "%" | "MiB" | "Mbit/s";
  /** As agreed for machines of this size; text, since some are relative. */
  readonly goal: string;
  /** Raw samples, in the order taken. */
  readonly samples: readonly number[];
}

/** Rows that one run of daemons gives together. */
export interface Bench {
  readonly name: string;
  run(): Promise<Measure[]>;
}

/** How often each thing is measured; the table shows the median. */
export const rounds = 5;

/** Runs `sample` for each round, in turn. */
export async function sampled(sample: (round: number) => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let round = 1; round <= rounds; round += 1) samples.push(await sample(round));
  return samples;
}

const digits = { ms: 0, "%": 2, MiB: 1, "Mbit/s": 0 } as const;

/** The table in Markdown, columns aligned. */
export function table(measures: readonly Measure[]): string {
  const rows = measures.map(({ what, unit, goal, samples }) => [
    what,
    `${median(samples).toFixed(digits[unit])} ${unit}`,
    goal,
    `${Math.min(...samples).toFixed(digits[unit])} to ${Math.max(...samples).toFixed(digits[unit])}`,
  ]);
  const all = [["What", "median", "goal", "lowest to highest"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(all[0] ?? []), rule, ...all.slice(1).map(line)].join("\n");
}

/** The samples as they were taken, one line a row. */
export function rawSamples(measures: readonly Measure[]): string {
  return measures
    .map(
      ({ name, unit, samples }) =>
        `${name} (${unit}): ${samples.map((sample) => sample.toFixed(2)).join(" ")}`,
    )
    .join("\n");
}
