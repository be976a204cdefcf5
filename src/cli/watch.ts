/**
 * Shows something again and again (`--watch`).
 */
import type { Command } from "commander";
import { sleep } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { Terminal } from "./terminal.ts";

const DEFAULT_SECONDS = 2;

export function addWatch(command: Command): Command {
  return command.option("-w, --watch [seconds]", `again every so many seconds (default: ${DEFAULT_SECONDS})`);
}

/** Milliseconds, or null without `--watch`. Throws ERR_USAGE. */
export function readWatch(command: Command): number | null {
  const { watch } = command.opts<{ watch?: true | string }>();
  if (watch === undefined) return null;
  const seconds = watch === true ? DEFAULT_SECONDS : /^\d+(\.\d+)?$/.test(watch) ? Number(watch) : Number.NaN;
  if (!(seconds >= 0.1 && seconds <= 3600)) {
    throw new WgmeshError("ERR_USAGE", `--watch: ${JSON.stringify(watch)} is not from 0.1 to 3600 seconds`);
  }
  return seconds * 1000;
}

const HOME = "\x1b[H";
const CLEAR_SCREEN = "\x1b[2J";
const CLEAR_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/**
 * Draws once, or with an interval until the user ends it: in place on a terminal, one after the other elsewhere. A daemon that is
 * not there for a while is said and waited for, as is one that cannot be reached; the first try must succeed.
 *
 * @param draw the text, which ends with LF.
 */
export async function drawAgain(
  terminal: Terminal,
  intervalMs: number | null,
  draw: () => Promise<string>,
): Promise<void> {
  let text = await draw();
  if (intervalMs === null) return terminal.out(text);
  if (terminal.rows !== null) terminal.out(CLEAR_SCREEN);
  for (;;) {
    terminal.out(terminal.rows === null ? text : screenText(text, terminal.rows));
    await terminal.drained();
    await sleep(terminal.clock, intervalMs);
    text = await draw().catch(absence);
  }
}

function absence(error: unknown): string {
  if (error instanceof WgmeshError && (error.code === "ERR_NOT_RUNNING" || error.code === "ERR_TIMEOUT")) {
    return `${printable(messageOf(error))}\n`;
  }
  throw error;
}

/** Drawn over what is there, so that nothing flickers; lines that do not fit are not shown. */
function screenText(text: string, rows: number): string {
  const lines = text.trimEnd().split("\n");
  const hidden = lines.length - (rows - 1);
  const shown = hidden > 0 ? [...lines.slice(0, rows - 2), `… ${hidden + 1} more lines`] : lines;
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE_END}\n`).join("")}${CLEAR_BELOW}`;
}
