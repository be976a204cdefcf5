/**
 * What a command sees of the world; tests give their own.
 */
import { type Clock, systemClock } from "../core/clock.ts";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Columns of standard output, or null when it is not a terminal: then nothing is shortened. */
  readonly columns: number | null;
  readonly env: Record<string, string | undefined>;
  readonly clock: Clock;
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : null;
  },
  env: process.env,
  clock: systemClock,
};
