/**
 * What a command sees of the world; tests give their own.
 */
import type { Writable } from "node:stream";
import { type Clock, systemClock } from "../core/clock.ts";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Resolves once standard output takes more; at once while its reader keeps up, or when he has left. */
  drained(): Promise<void>;
  /** Columns of standard output, or null when it is not a terminal: then nothing is shortened. */
  readonly columns: number | null;
  /** Rows of it, or null. */
  readonly rows: number | null;
  /** Standard error is a terminal: what takes long may say so there. */
  readonly showsProgress: boolean;
  readonly env: Record<string, string | undefined>;
  readonly clock: Clock;
}

/** See {@link Terminal.drained}. */
export async function drained(output: Writable): Promise<void> {
  if (!output.writableNeedDrain || output.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of ENDS) output.off(event, done);
      resolve();
    };
    for (const event of ENDS) output.on(event, done);
  });
}

const ENDS = ["drain", "close", "error"] as const;

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  drained: () => drained(process.stdout),
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
