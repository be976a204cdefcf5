/** Benches one after another; one that fails takes nothing from the others, nor from what it had measured itself. */
import type { Bench, Measure } from "./measure.ts";

export interface Failure {
  /** Of the bench. */
  readonly name: string;
  readonly error: unknown;
}

export interface Outcome {
  /** In the order of the benches. */
  readonly measures: readonly Measure[];
  readonly failures: readonly Failure[];
}

/** Told while benches run. */
export interface Listener {
  began(name: string): void;
  found(measure: Measure): void;
}

/** Runs each to its end; never rejects because of one. */
export async function runBenches(benches: readonly Bench[], listener: Listener): Promise<Outcome> {
  const measures: Measure[] = [];
  const failures: Failure[] = [];
  const found = (measure: Measure): void => {
    measures.push(measure);
    listener.found(measure);
  };
  for (const bench of benches) {
    listener.began(bench.name);
    try {
      for (const measure of await bench.run(found)) found(measure);
    } catch (error) {
      failures.push({ name: bench.name, error });
    }
  }
  return { measures, failures };
}
