/**
 * Reads what observe/rotatingFile.ts wrote: `path`, and before it `path.1`, `path.2`, …
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { messageOf, WgmeshError } from "./errors.ts";

/** More are never kept. */
const MAX_FILES = 100;

/**
 * The lines of all files, the newest first; files are read when their first line is asked for. Nothing is lost or told twice when
 * the files are rotated meanwhile. Throws ERR_STATE_UNREADABLE; nothing where no file is.
 */
export function* newestLines(path: string): Generator<string> {
  const seen = new Set<string>();
  for (let age = 0; age < MAX_FILES; age += 1) {
    const text = readOnce(age === 0 ? path : `${path}.${age}`, seen);
    if (text === null) return;
    const lines = text.split("\n");
    for (let index = lines.length - 1; index >= 0; index -= 1) {
      const line = lines[index];
      if (line) yield line;
    }
  }
}

/** The text, "" of a file read before under another name, null when there is none. */
function readOnce(path: string, seen: Set<string>): string | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { dev, ino } = fstatSync(fd);
      const identity = `${dev} ${ino}`;
      if (seen.has(identity)) return "";
      seen.add(identity);
      return readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new WgmeshError("ERR_STATE_UNREADABLE", `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}
