import { printable } from "../core/text.ts";
import { durationText } from "./render.ts";
import type { Terminal } from "./terminal.ts";

/** What is done by then says nothing of itself. */
const QUIET_MS = 500;
const EVERY_MS = 250;
const CLEAR_LINE = "\r\x1b[K";

/**
 * Waits for `run`; on a terminal a line of standard error says what for, and how long already, once it takes over half a
 * second. The line is gone afterwards.
 */
export async function withProgress<T>(terminal: Terminal, what: string, run: () => Promise<T>): Promise<T> {
  if (!terminal.showsProgress) return await run();
  const { clock, err } = terminal;
  const startMs = clock.monotonicMs();
  let shown = false;
  const show = (): void => {
    shown = true;
    err(`${CLEAR_LINE}${printable(what)} … ${durationText(clock.monotonicMs() - startMs)}`);
    cancel = clock.after(EVERY_MS, show);
  };
  let cancel = clock.after(QUIET_MS, show);
  try {
    return await run();
  } finally {
    cancel();
    if (shown) err(CLEAR_LINE);
  }
}
