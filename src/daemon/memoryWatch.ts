/**
 * A soft bound for the memory of the process (row G10): what is above it is told, and let go of as far as it can be. Tunnels stay, and
 * nothing is started again: memory that is needed would be needed then too.
 */
import type { Troubles } from "../core/troubles.ts";

export interface MemoryWatchOptions {
  readonly troubles: Troubles;
  /** Bytes; null for no bound. */
  readonly limit: number | null;
  /** Bytes at which the system ends the process, such as by `MemoryMax=` of a service; null for none. A limit above it would never be told. */
  readonly ceiling?: number | null;
  /** Resident memory now. */
  readonly used: () => number;
  /** Has V8 collect what nobody holds, once each time the bound is passed. */
  readonly collect: () => void;
}

/** It is over below this part of the limit, so that a figure about it does not come and go. */
const WELL_BELOW = 0.9;
/** Callers that are let in above it, so that an operator can look. */
const CALLERS_ABOVE = 6;
const MEBIBYTE = 1024 * 1024;

const mebibytes = (bytes: number): number => Math.ceil(bytes / MEBIBYTE);

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #listeners = new Set<(isAbove: boolean) => void>();
  #limit: number | null;
  #isAbove = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#limit = options.limit;
  }

  /** Bytes; null for none. */
  get limit(): number | null {
    return this.#limit;
  }

  /** Counts from the next look on. */
  setLimit(bytes: number | null): void {
    this.#limit = bytes;
  }

  /** How many callers there is room for. */
  spareCallers(): number {
    return this.#isAbove ? CALLERS_ABOVE : Infinity;
  }

  /** Calls back when the bound is passed, and when it is over, at once when it stands; the returned function ends that. */
  follow(listener: (isAbove: boolean) => void): () => void {
    this.#listeners.add(listener);
    if (this.#isAbove) listener(true);
    return () => this.#listeners.delete(listener);
  }

  look(): void {
    const { troubles, used, collect } = this.#options;
    const limit = this.#limit;
    this.#judgeLimit();
    const before = used();
    const bound = this.#isAbove ? WELL_BELOW : 1;
    if (limit === null || before <= limit * bound) {
      this.#set(false);
      troubles.clear("memory");
      return;
    }
    if (!this.#isAbove) {
      this.#set(true);
      collect();
    }
    troubles.raise(
      "memory",
      `the daemon uses ${mebibytes(used())} MiB, more than the ${mebibytes(limit)} MiB of --memory-limit: ` +
        "nobody new is taken in, and few callers are; raise it ('wgmesh config set memory-limit 1G'), or lower max-peers",
    );
  }

  #judgeLimit(): void {
    const { troubles, ceiling = null } = this.#options;
    const limit = this.#limit;
    if (limit === null || ceiling === null || limit < ceiling) {
      troubles.clear("memory-limit");
      return;
    }
    troubles.raise(
      "memory-limit",
      `the ${mebibytes(limit)} MiB of --memory-limit are never told: the system ends the daemon at ${mebibytes(ceiling)} MiB; ` +
        "set a lower one ('wgmesh config set memory-limit'), or give the service more (MemoryMax=)",
    );
  }

  #set(isAbove: boolean): void {
    if (this.#isAbove === isAbove) return;
    this.#isAbove = isAbove;
    for (const listener of this.#listeners) listener(isAbove);
  }
}
