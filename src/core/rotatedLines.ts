/**
 * Reads what observe/rotatingFile.ts wrote: `path`, and before it `path.1`, `path.2`, …
 */
import { closeSync, constants, fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import { messageOf, WgmeshError } from "./errors.ts";

/** More are never kept. */
const MAX_FILES = 100;

/** What is read at once: little enough that who waits for the event loop meanwhile does not notice. */
const BLOCK_BYTES = 64 * 1024;

const LF = 0x0a;

const readBlock = promisify(read);

interface OpenFile {
  readonly fd: number;
  readonly bytes: number;
}

/**
 * The lines of all files, the newest first, read from their ends and no further than they are asked for. What is written after the
 * first line was asked for is not among them; nothing is lost or told twice when the files are rotated meanwhile. Rejects with
 * ERR_STATE_UNREADABLE; nothing where no file is.
 */
export async function* newestLines(path: string): AsyncGenerator<string> {
  const files = openAll(path);
  try {
    for (const file of files) yield* linesFromEnd(file);
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}

/** At once, so that no rotation of this process comes between. The newest first. */
function openAll(path: string): OpenFile[] {
  const seen = new Set<string>();
  const files: OpenFile[] = [];
  try {
    for (let age = 0; age < MAX_FILES; age += 1) {
      const fd = openOrNull(age === 0 ? path : `${path}.${age}`);
      if (fd === null) break;
      const { dev, ino, size } = fstatSync(fd);
      // Another process may rotate them all the same: the one that is opened again under its next name counts once.
      files.push({ fd, bytes: seen.has(`${dev} ${ino}`) ? 0 : size });
      seen.add(`${dev} ${ino}`);
    }
    return files;
  } catch (cause) {
    for (const { fd } of files) closeSync(fd);
    throw unreadable(path, cause);
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function* linesFromEnd({ fd, bytes }: OpenFile): AsyncGenerator<string> {
  /** Of a line whose start was not read yet, the last part first. */
  let parts: Buffer[] = [];
  const take = (first: Buffer): string => {
    const line = Buffer.concat([first, ...parts.reverse()]).toString("utf8");
    parts = [];
    return line;
  };
  for (let start = bytes; start > 0; ) {
    const wanted = Math.min(BLOCK_BYTES, start);
    start -= wanted;
    const { bytesRead, buffer } = await readBlock(fd, Buffer.alloc(wanted), 0, wanted, start);
    let rest = buffer.subarray(0, bytesRead);
    for (let end = rest.lastIndexOf(LF); end >= 0; end = rest.lastIndexOf(LF)) {
      const line = take(rest.subarray(end + 1));
      if (line !== "") yield line;
      rest = rest.subarray(0, end);
    }
    parts.push(rest);
  }
  const first = take(Buffer.alloc(0));
  if (first !== "") yield first;
}

const unreadable = (path: string, cause: unknown): WgmeshError =>
  new WgmeshError("ERR_STATE_UNREADABLE", `cannot read ${path}: ${messageOf(cause)}`, { cause });
