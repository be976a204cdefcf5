/**
 * What a command sees of the world; tests give their own.
 */
import type { Writable } from "node:stream";
import { type Clock, systemClock } from "../core/clock.ts";
import { isDumb, isUtf8 } from "../core/terminalKind.ts";

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Resolves once standard output takes more; at once while its reader keeps up, or when he has left. */
  drained(): Promise<void>;
  /** Columns of standard output, or null when it is not a terminal: then nothing is shortened. */
  readonly columns: number | null;
  /** Rows of it, or null; null too when nothing can be drawn in place there. */
  readonly rows: number | null;
  /** Standard error is a terminal on which a line can be taken back: what takes long may say so there. */
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

/** What is shortened ends with `…`, which a terminal of another encoding shows as three letters of that. */
const shown = (text: string, mark: string): string =>
  isUtf8(process.env) ? text : text.replaceAll("…", mark);

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(process.stdout.isTTY ? shown(text, "~") : text),
  err: (text) => void process.stderr.write(process.stderr.isTTY ? shown(text, "...") : text),
  drained: () => drained(process.stdout),
  get columns() {
    // A console that was never told its size has none.
    return process.stdout.isTTY ? process.stdout.columns || null : null;
  },
  get rows() {
    return process.stdout.isTTY && !isDumb(process.env) ? process.stdout.rows || null : null;
  },
  showsProgress: process.stderr.isTTY === true && !isDumb(process.env),
  env: process.env,
  clock: systemClock,
};
