/** Benches one after another; one that fails takes nothing from the others, nor from what it had measured itself. */
import type { Bench, Measure } from "./measure.ts";

export interface Failure {
  /** Of the bench. */
  readonly name: string;
  readonly error: unknown;
}

export type Row = Measure | Failure;

/** Rows by their bench, in the order in which they were run; a failure follows what its bench had measured before. */
export type Outcome = ReadonlyMap<string, readonly Row[]>;

/** Told while benches run. */
export interface Listener {
  began(name: string): void;
  found(measure: Measure): void;
  /** One ended, whichever way: its rows, for whoever keeps them in case the next one never ends. */
  ended(name: string, rows: readonly Row[]): void;
}

export const isFailure = (row: Row): row is Failure => "error" in row;

/** Runs each to its end; never rejects because of one. */
export async function runBenches(benches: readonly Bench[], listener: Listener): Promise<Outcome> {
  const outcome = new Map<string, readonly Row[]>();
  for (const bench of benches) {
    const rows: Row[] = [];
    const found = (measure: Measure): void => {
      rows.push(measure);
      listener.found(measure);
    };
    listener.began(bench.name);
    try {
      for (const measure of await bench.run(found)) found(measure);
    } catch (error) {
      rows.push({ name: bench.name, error });
    }
    outcome.set(bench.name, rows);
    listener.ended(bench.name, rows);
  }
  return outcome;
}
