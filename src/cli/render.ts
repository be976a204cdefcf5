/**
 * Numbers, times and tables for people. Pure.
 */
import { printable, printableJson } from "../core/text.ts";
import { displayWidth, elide, padEnd } from "./width.ts";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `0 B`, `1.5 KiB`, `48 MiB`: three digits at most before the unit changes. */
export function byteText(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && size < 9.95 ? size.toFixed(1) : size.toFixed(0);
  return `${digits} ${BYTE_UNITS[unit]}`;
}

/** The two largest units: `0.4 s`, `12 s`, `3 m 5 s`, `2 h 0 m`, `4 d 7 h`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  const hours = Math.floor(whole / 3600);
  if (hours < 24) return `${hours} h ${Math.floor((whole % 3600) / 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago an RFC 3339 time was; `never` for null. A time ahead of the clock counts as now. */
export function agoText(time: string | null, nowMs: number): string {
  return time === null ? "never" : `${durationText(nowMs - Date.parse(time))} ago`;
}

/** No column that is told gets narrower, so that what is left still tells something. */
const NARROWEST = 8;
const BETWEEN = "  ";

/**
 * Rows under a header, two blanks between columns. Where that is wider than `columns`, the last ones are shortened until it fits,
 * each down to a width that still tells something; what sticks out then is cut. Ends with LF.
 */
export function tableText(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number | null,
): string {
  const cells = [header, ...rows].map((row) => row.map(printable));
  const natural = header.map((_title, column) =>
    Math.max(...cells.map((row) => displayWidth(row[column] ?? ""))),
  );
  const widths = columns === null ? natural : fitted(natural, columns);
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => padEnd(elide(cell, widths[column] ?? 0), widths[column] ?? 0)).join(BETWEEN);
  return cells.map((row) => `${shorten(line(row).trimEnd(), columns)}\n`).join("");
}

/** What tells most comes first, so the last columns give way first. */
function fitted(natural: readonly number[], columns: number): number[] {
  let excess = natural.reduce((sum, width) => sum + width, BETWEEN.length * (natural.length - 1)) - columns;
  return natural
    .toReversed()
    .map((width) => {
      const less = Math.min(Math.max(0, excess), Math.max(0, width - NARROWEST));
      excess -= less;
      return width - less;
    })
    .toReversed();
}

/** `name  value` lines, indented, the values below each other. */
export function factsText(
  facts: readonly (readonly [name: string, value: string])[],
  columns: number | null,
): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts
    .map(([name, value]) => `${shorten(`  ${name.padEnd(width)}  ${printable(value)}`, columns)}\n`)
    .join("");
}

const shorten = (line: string, columns: number | null): string =>
  columns === null ? line : elide(line, Math.max(1, columns));

/** JSON for scripts: two blanks of indent, as the Go peer prints it. */
export function jsonText(value: unknown): string {
  return `${printableJson(JSON.stringify(value, null, 2))}\n`;
}

/** One line of it, of those that come one after another. */
export function jsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}
