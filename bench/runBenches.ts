/** Benches one after another; one that fails takes nothing from the others, nor from what it had measured itself. */
import type { Bench, Measure } from "./measure.ts";

export interface Failure {
  /** Of the bench. */
  readonly name: string;
  readonly error: unknown;
}

export interface Outcome {
  /** In the order of the benches; a failure follows what its bench had measured before. */
  readonly rows: readonly (Measure | Failure)[];
  /** Names of the benches that have not ended. */
  readonly missing: readonly string[];
}

/** Told while benches run. */
export interface Listener {
  began(name: string): void;
  found(measure: Measure): void;
  /** One ended, whichever way: what there is so far, for whoever keeps it in case the next one never ends. */
  ended(outcome: Outcome): void;
}

export const isFailure = (row: Measure | Failure): row is Failure => "error" in row;

/** Runs each to its end; never rejects because of one. */
export async function runBenches(benches: readonly Bench[], listener: Listener): Promise<Outcome> {
  const rows: (Measure | Failure)[] = [];
  const missing = benches.map(({ name }) => name);
  const outcome = (): Outcome => ({ rows: [...rows], missing: [...missing] });
  const found = (measure: Measure): void => {
    rows.push(measure);
    listener.found(measure);
  };
  for (const bench of benches) {
    listener.began(bench.name);
    try {
      for (const measure of await bench.run(found)) found(measure);
    } catch (error) {
      rows.push({ name: bench.name, error });
    }
    missing.shift();
    listener.ended(outcome());
  }
  return outcome();
}
