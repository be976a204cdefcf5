/** What was measured last, bench by bench, so that one may be measured anew without the others: bench/results.json. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { messageOf } from "../src/core/errors.ts";
import type { Line } from "./report.ts";
import type { Row } from "./runBenches.ts";

const FILE = "bench/results.json";

/** The rows of one run of a bench. */
export interface Kept {
  readonly commit: string;
  readonly rows: readonly Row[];
}

export type Results = Readonly<Record<string, Kept>>;

export function readResults(): Results {
  return existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : {};
}

/** Rows with three decimals: more is noise. An error is kept as its message. */
export function writeResults(results: Results): void {
  const text = JSON.stringify(
    results,
    (key, value) => {
      if (key === "error") return messageOf(value);
      return typeof value === "number" ? Number(value.toFixed(3)) : value;
    },
    1,
  );
  // A list of samples is one line.
  writeFileSync(
    FILE,
    `${text.replace(/\[\s+([^[\]{}"]*?)\s+\]/g, (_, list: string) => `[${list.replace(/\s+/g, " ")}]`)}\n`,
  );
}

/** In the order of the benches, each with its rows, or with none when it never ran. */
export function linesOf(benches: readonly string[], results: Results): Line[] {
  return benches.flatMap((bench): Line[] => {
    const kept = results[bench];
    if (kept === undefined) return [{ bench, row: null, commit: "" }];
    return kept.rows.map((row) => ({ bench, row, commit: kept.commit }));
  });
}
