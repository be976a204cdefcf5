/**
 * A file of lines that is cut by size: `path` is written, `path.1` … `path.<keep>` are what was before, the newest first.
 *
 * Lines are written synchronously, so what was said before a crash is in the file. A line is never cut by a rotation, and none is
 * lost by one: the next file is open before the first name changes. What cannot be written (a full disk) waits in memory.
 */
import { closeSync, constants, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { messageOf, WgmeshError } from "../core/errors.ts";

export interface RotatingFileOptions {
  /** Absolute; its folder exists. */
  readonly path: string;
  /** Bytes after which a new file is begun; a longer single line gets a file of its own. At least 1. */
  readonly maxBytes: number;
  /** Old files that stay, 0 or more. */
  readonly keep: number;
  /**
   * Told once when lines cannot be written or the files not be rotated, with a sentence for the operator, and once with null when
   * that is over. Must not throw, nor write to this file.
   */
  readonly onTrouble: (reason: string | null) => void;
}

/** What waits for room on the disk, at most; lines beyond it are counted and given up. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** The node's log names keys, addresses and peers. */
const MODE = 0o600;
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
/** No FIFO to wait for, and no link that somebody else aims at a file of ours. */
const SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class RotatingFile {
  #options: RotatingFileOptions;
  #fd: number | null;
  #size = 0;
  /** Bytes; above `maxBytes` while a rotation that failed is not tried again. */
  #rotateAt: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #trouble: string | null = null;

  /** Throws ERR_LOG_FILE when the file cannot be opened, or is no regular file. */
  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#rotateAt = options.maxBytes;
    const { path } = options;
    try {
      this.#fd = open(path, APPEND);
      this.#size = fstatSync(this.#fd).size;
    } catch (cause) {
      throw new WgmeshError("ERR_LOG_FILE", `cannot open ${path}: ${messageOf(cause)}`, { cause });
    }
  }

  /** From the next line on. Files beyond the new `keep` stay: they may be logrotate's. */
  setLimits(maxBytes: number, keep: number): void {
    this.#options = { ...this.#options, maxBytes, keep };
    this.#rotateAt = maxBytes;
  }

  /** Lines given up so far, because more than 1 MiB waited for room on the disk. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes a line with its LF. Never throws. Does nothing once closed. */
  write(line: string): void {
    if (this.#fd === null) return;
    const bytes = Buffer.from(line);
    // Those that wait come first, also through a rotation.
    if (!this.#flush()) {
      this.#wait(bytes);
      return;
    }
    if (this.#size > 0 && this.#size + bytes.length > this.#rotateAt) this.#rotate();
    this.#append(bytes);
  }

  /** Opens `path` anew, for whoever moved the file away (SIGUSR1). Keeps the old one when that fails. Never throws. */
  reopen(): void {
    if (this.#fd === null) return;
    this.#flush();
    try {
      this.#replace(open(this.#options.path, APPEND));
      this.#ok();
    } catch (error) {
      this.#report(`cannot open ${this.#options.path}: ${messageOf(error)}`);
    }
  }

  /** Writes what waits, if it can be written now: the next line may be long in coming. Never throws. */
  retry(): void {
    if (this.#fd !== null) this.#flush();
  }

  /** Writes what waits, if it can be written now. Safe to call again. */
  close(): void {
    if (this.#fd === null) return;
    this.#flush();
    closeSync(this.#fd);
    this.#fd = null;
  }

  /** True when nothing waits any more. */
  #flush(): boolean {
    const waiting = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    for (const [index, bytes] of waiting.entries()) {
      if (this.#append(bytes)) continue;
      for (const later of waiting.slice(index + 1)) this.#wait(later);
      return false;
    }
    return true;
  }

  /** False when some of it has to wait. */
  #append(bytes: Buffer): boolean {
    let rest = bytes;
    try {
      while (rest.length > 0) {
        const written = writeSync(this.#fd as number, rest);
        this.#size += written;
        rest = rest.subarray(written);
      }
      this.#ok();
      return true;
    } catch (error) {
      this.#wait(rest, rest.length < bytes.length);
      this.#report(`cannot write ${this.#options.path}: ${messageOf(error)}`);
      return false;
    }
  }

  /** @param begun the first part of the line is in the file, so that the rest must follow. */
  #wait(bytes: Buffer, begun = false): void {
    if (!begun && this.#waiting.length > 0 && this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #rotate(): void {
    const { path, keep, maxBytes } = this.#options;
    const next = `${path}.next`;
    try {
      // Of a process that was killed here.
      rmSync(next, { force: true });
      const fd = open(next, APPEND | constants.O_EXCL);
      try {
        for (let age = keep - 1; age >= 1; age -= 1) renameIfThere(`${path}.${age}`, `${path}.${age + 1}`);
        if (keep > 0) renameIfThere(path, `${path}.1`);
        renameSync(next, path);
      } catch (error) {
        closeSync(fd);
        rmSync(next, { force: true });
        throw error;
      }
      this.#replace(fd);
    } catch (error) {
      // The old file goes on; the next try is some lines later.
      this.#rotateAt = this.#size + Math.ceil(maxBytes / 8);
      this.#report(`cannot rotate ${path}: ${messageOf(error)}`);
    }
  }

  #replace(fd: number): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
    this.#rotateAt = this.#options.maxBytes;
  }

  #report(reason: string): void {
    if (this.#trouble !== null) return;
    this.#trouble = reason;
    this.#options.onTrouble(reason);
  }

  #ok(): void {
    // A rotation that failed is over with the next one that works.
    if (this.#trouble === null || this.#rotateAt > this.#options.maxBytes) return;
    this.#trouble = null;
    this.#options.onTrouble(null);
  }
}

function open(path: string, flags: number): number {
  const fd = openSync(path, flags | SAFE, MODE);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new Error("it is not a regular file");
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
