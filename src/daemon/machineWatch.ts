/**
 * Looks at what the node needs of the machine: descriptors, memory, a folder it can write to, a turn of the event loop in time. What is
 * missing is a trouble; the tunnels go on.
 */
import { closeSync, constants, openSync } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { nextBeat } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Troubles } from "../core/troubles.ts";
import type { MemoryWatch } from "./memoryWatch.ts";

export interface MachineWatchOptions {
  readonly clock: Clock;
  readonly troubles: Troubles;
  readonly stateDir: string;
  readonly memory: MemoryWatch;
  /** Called with each look: writes what waits for room on a disk. Must not throw. */
  readonly retryFiles: () => void;
}

/** The folder is looked at in each so many. */
const FOLDER_EVERY = 2;
/** Enough for an operator to look, by RPC and HTTP at once, and for the files that answering needs. */
const RESERVE = 24;
/** So many must be free beside the reserve: one caller, and the files that answering him needs. */
const SPARE = 4;
/** How many callers get in while only the reserve is left. */
const CALLERS_OF_RESERVE = 6;
/** The largest file that is kept has room, twice. */
const MIN_FREE_BYTES = 512 * 1024;
/** Of lateness, as far back as a scrape of metrics goes. */
const SAMPLES = 12;

export class MachineWatch {
  readonly #options: MachineWatchOptions;
  readonly #lateMs: number[] = [];
  /** A look at a folder of a server that is gone may take for ever; the shutdown does not wait for it. */
  #looking = false;
  /** Descriptors of /dev/null, given up when there are no others. */
  #reserve: number[] = [];

  constructor(options: MachineWatchOptions) {
    this.#options = options;
  }

  /** The worst delay of the event loop in the last minute, in milliseconds. */
  lateMs(): number {
    return Math.max(0, ...this.#lateMs);
  }

  get memory(): MemoryWatch {
    return this.#options.memory;
  }

  /** How many callers there is room for. */
  spareCallers(): number {
    return Math.min(this.memory.spareCallers(), this.#reserve.length > 0 ? Infinity : CALLERS_OF_RESERVE);
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      for (let turn = 0; ; turn += 1) {
        this.#lookAtDescriptors();
        this.memory.look();
        this.#options.retryFiles();
        if (turn % FOLDER_EVERY === 0 && !this.#looking) void this.#lookAtFolder();
        const dueMs = await nextBeat(clock, signal);
        this.#lateMs.push(clock.monotonicMs() - dueMs);
        if (this.#lateMs.length > SAMPLES) this.#lateMs.shift();
      }
    } finally {
      this.#giveUpReserve();
    }
  }

  #lookAtDescriptors(): void {
    const { troubles } = this.#options;
    const opened: number[] = [];
    try {
      while (opened.length + this.#reserve.length < RESERVE + SPARE) opened.push(openSync("/dev/null", "r"));
      for (const spare of opened.splice(-SPARE)) closeSync(spare);
      this.#reserve.push(...opened);
      troubles.clear("descriptors");
    } catch (error) {
      for (const file of opened) closeSync(file);
      this.#giveUpReserve();
      const text = `hardly a descriptor is free (${messageOf(error)}): new connections and files may fail`;
      troubles.raise("descriptors", `${text}; raise the limit (LimitNOFILE=, ulimit -n)`);
    }
  }

  #giveUpReserve(): void {
    for (const file of this.#reserve.splice(0)) closeSync(file);
  }

  async #lookAtFolder(): Promise<void> {
    const { troubles, stateDir } = this.#options;
    this.#looking = true;
    const reason = await whyUnwritable(stateDir);
    this.#looking = false;
    if (reason === null) troubles.clear("state-directory");
    else {
      troubles.raise(
        "state-directory",
        `${stateDir} cannot be written (${reason}): what is learned now may be forgotten at a restart`,
      );
    }
  }
}

/** Nothing is written to find out, which would wear a disk. Null when all is well. */
async function whyUnwritable(folder: string): Promise<string | null> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    const { bavail, bfree, bsize, files, ffree } = await statfs(folder);
    const free = process.geteuid?.() === 0 ? bfree : bavail;
    if (free * bsize < MIN_FREE_BYTES) return `${Math.floor((free * bsize) / 1024)} KiB are free`;
    return files > 0 && ffree === 0 ? "no inode is free" : null;
  } catch (error) {
    return messageOf(error);
  }
}
