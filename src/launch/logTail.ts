/** The end of a log file, for a person who asks why a start failed. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { formatText } from "../core/logText.ts";

const MAX_BYTES = 64 * 1024;

/**
 * The last lines as text, without colours; empty when there is none to be read. Lines that are no JSON are left as they are.
 *
 * @param since bytes of the file that are of no interest; those of another file when it was put aside meanwhile.
 */
export function logTail(path: string, lines: number, since: number): string {
  return endOf(path, since)
    .split("\n")
    .filter((line) => line !== "")
    .slice(-lines)
    .map((line) => `  ${readable(line)}`)
    .join("");
}

function readable(line: string): string {
  try {
    return formatText(line, false);
  } catch {
    return `${line}\n`;
  }
}

/** Bytes; 0 when there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function endOf(path: string, since: number): string {
  try {
    const fd = openSync(path, "r");
    try {
      const { size } = fstatSync(fd);
      const from = since <= size ? since : 0;
      const buffer = Buffer.alloc(Math.min(size - from, MAX_BYTES));
      const start = size - buffer.length;
      const text = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start)).toString();
      return start === from ? text : text.slice(text.indexOf("\n") + 1);
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}
