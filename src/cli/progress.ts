import { printable } from "../core/text.ts";
import { durationText } from "./render.ts";
import type { Terminal } from "./terminal.ts";

/** What is done by then says nothing of itself. */
const QUIET_MS = 500;
const EVERY_MS = 250;
const CLEAR_LINE = "\r\x1b[K";

/** Those whose line is in use: what is waited for within something else is part of it. */
const busy = new WeakSet<Terminal>();

/** Runs something without the line, such as a question to a person; the half second begins anew after it. */
export type Quietly = <T>(run: () => Promise<T>) => Promise<T>;

/**
 * Waits for `run`; on a terminal a line of standard error says what for, and how long already, once it takes over half a
 * second. The line is gone afterwards. Within another one there is none.
 */
export async function withProgress<T>(
  terminal: Terminal,
  what: string,
  run: (quietly: Quietly) => Promise<T>,
): Promise<T> {
  if (!terminal.showsProgress || busy.has(terminal)) return await run((asIs) => asIs());
  const { clock, err } = terminal;
  const startMs = clock.monotonicMs();
  let shown = false;
  const show = (): void => {
    shown = true;
    err(`${CLEAR_LINE}${printable(what)} … ${durationText(clock.monotonicMs() - startMs)}`);
    cancel = clock.after(EVERY_MS, show);
  };
  const hide = (): void => {
    cancel();
    if (shown) err(CLEAR_LINE);
    shown = false;
  };
  let cancel = clock.after(QUIET_MS, show);
  busy.add(terminal);
  try {
    return await run(async (inner) => {
      hide();
      try {
        return await inner();
      } finally {
        cancel = clock.after(QUIET_MS, show);
      }
    });
  } finally {
    hide();
    busy.delete(terminal);
  }
}

/** For what lets no timer run meanwhile, such as waiting for a service manager: the line is there from the beginning. */
export async function withNotice<T>(terminal: Terminal, what: string, run: () => T | Promise<T>): Promise<T> {
  if (terminal.showsProgress) terminal.err(`${printable(what)} …`);
  try {
    return await run();
  } finally {
    if (terminal.showsProgress) terminal.err(CLEAR_LINE);
  }
}
