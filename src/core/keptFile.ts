/**
 * A file of a few bytes that the kernel makes anew for each reading, and that is read again and again: it stays open, so that one system
 * call reads it.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** What a number of the kernel needs, and a little more. */
const MAX_BYTES = 128;

export class KeptFile {
  readonly #path: string;
  readonly #bytes = Buffer.alloc(MAX_BYTES);
  #fd: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** The number that the file begins with, NaN for none. Throws when it cannot be read, like the functions of node:fs. */
  number(): number {
    if (this.#fd === null) return this.#read(openSync(this.#path, "r"));
    try {
      return this.#read(this.#fd);
    } catch {
      // What it told of is no more; there may be another of that name.
      this.close();
      return this.#read(openSync(this.#path, "r"));
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #read(fd: number): number {
    this.#fd = fd;
    const length = readSync(fd, this.#bytes, 0, MAX_BYTES, 0);
    return Number.parseFloat(this.#bytes.toString("latin1", 0, length));
  }
}
