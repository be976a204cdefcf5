/**
 * What a command sees of the world; tests give their own.
 */
import { type Clock, systemClock } from "../core/clock.ts";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Columns of standard output, or null when it is not a terminal: then nothing is shortened. */
  readonly columns: number | null;
  /** Rows of it, or null. */
  readonly rows: number | null;
  /** Standard error is a terminal: what takes long may say so there. */
  readonly showsProgress: boolean;
  readonly env: Record<string, string | undefined>;
  readonly clock: Clock;
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : null;
  },
  get rows() {
    return process.stdout.isTTY ? process.stdout.rows : null;
  },
  showsProgress: process.stderr.isTTY === true,
  env: process.env,
  clock: systemClock,
};
