import { median } from "../__test__/mesh/harness/time.ts";

/** Decimals shown for each unit; times, amounts and rates. */
const digits = {
  ms: 0,
  s: 0,
  µs: 1,
  "s/GB": 2,
  "%": 2,
  MiB: 1,
  "Mbit/s": 0,
  "1/s": 0,
  "1/min": 0,
  "B/min": 0,
  tunnels: 0,
} as const;

/** One row of the table. */
export interface Measure {
  /** What `npm run bench -- NAME` calls it. */
  readonly name: string;
  readonly what: string;
  readonly unit: keyof typeof digits;
  /** As agreed for machines of this size; text, since some are relative. */
  readonly goal: string;
  /** Raw samples, in the order taken. */
  readonly samples: readonly number[];
  /** Something else measured in turn with ours in the same run, sample by sample. */
  readonly against?: { readonly what: string; readonly samples: readonly number[] };
}

/** Rows that one run of daemons gives together. */
export interface Bench {
  readonly name: string;
  /** Left out when all are measured; what it had found before stays. */
  readonly isOnlyNamed?: boolean;
  /** A row goes to `found` as soon as it is there, or is returned at the end, not both. */
  run(found: (measure: Measure) => void): Promise<readonly Measure[]>;
}

/** How often each thing is measured; the table shows the median. */
export const rounds = Number(process.env.WGMESH_BENCH_ROUNDS || 5);

/** Runs `sample` for each round, in turn. */
export async function sampled(sample: (round: number) => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let round = 1; round <= rounds; round += 1) samples.push(await sample(round));
  return samples;
}

/** The cells of its row in the table. The ratio is ours by theirs, the median over the pairs of samples. */
export function cells({ what, unit, goal, samples, against }: Measure): string[] {
  const figure = (value: number): string => value.toFixed(digits[unit]);
  const range = `${figure(Math.min(...samples))} to ${figure(Math.max(...samples))}`;
  const ours = [what, `${figure(median(samples))} ${unit}`, range];
  if (against === undefined) return [...ours, "", "", "", goal];
  return [
    ...ours,
    against.what,
    `${figure(median(against.samples))} ${unit}`,
    ratio(samples, against.samples).toFixed(2),
    goal,
  ];
}

/** One row on one line, for whoever waits for the table. */
export function line(measure: Measure): string {
  const [what, ours, range, , theirs, times, goal] = cells(measure);
  const compared =
    measure.against === undefined ? "" : `, ${times} times ${measure.against.what} (${theirs})`;
  return `${what}: ${ours} (${range})${compared}${goal === "" ? "" : `; goal ${goal}`}`;
}

/** Median of the ratios of samples taken one after the other: a machine that grows slower slows both. */
export function ratio(samples: readonly number[], others: readonly number[]): number {
  return median(samples.map((sample, index) => sample / (others[index] ?? Number.NaN)));
}
