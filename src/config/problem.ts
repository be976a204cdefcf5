import { type ErrorCode, WgmeshError } from "../core/errors.ts";

/** One thing that is wrong with what was configured. */
export interface Problem {
  readonly code: ErrorCode;
  /** Names file, line and key, or the flag or variable. */
  readonly message: string;
  /** What was expected, or the nearest name. */
  readonly hint: string;
}

/** Throws what is no WgmeshError. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof WgmeshError)) throw error;
  return { code: error.code, message: error.message, hint: error.hint };
}

/** Throws the first of them, and says how many more there are. */
export function refuse(problems: readonly Problem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const more = problems.length - 1;
  const note = more === 0 ? "" : ` (and ${more} more: see wgmesh config check)`;
  throw new WgmeshError(first.code, first.message + note, { hint: first.hint });
}
