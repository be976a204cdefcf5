import type { Clock } from "../core/clock.ts";

export interface PacerSettings {
  /** How many times a thing is mended at once before pauses begin. */
  readonly free: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** A thing that was left alone for so long after its pause counts as new. */
  readonly quietMs: number;
}

/** An operator who tries things out by hand never waits; two programs that work against each other soon do. */
export const defaultPacerSettings: PacerSettings = {
  free: 8,
  firstPauseMs: 1_000,
  maxPauseMs: 60_000,
  quietMs: 10_000,
};

/** A thing that somebody undoes again and again. */
export interface Contest {
  readonly object: string;
  readonly times: number;
  /** Milliseconds until it may be mended again, 0 when it may be now. */
  readonly retryInMs: number;
}

interface Entry {
  readonly times: number;
  /** Monotonic. */
  readonly lastMs: number;
}

/**
 * Keeps two programs that undo each other's work from spinning: the first few times a thing is mended at once, then after
 * pauses that double.
 */
export class MendPacer {
  readonly #clock: Clock;
  readonly #settings: PacerSettings;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, settings: PacerSettings = defaultPacerSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  isPaused(object: string): boolean {
    const entry = this.#entry(object);
    return entry !== undefined && this.#retryAtMs(entry) > this.#clock.monotonicMs();
  }

  /** To be told of each mending. */
  mended(object: string): void {
    const times = (this.#entry(object)?.times ?? 0) + 1;
    this.#entries.set(object, { times, lastMs: this.#clock.monotonicMs() });
  }

  /** Monotonic time at which the next pause ends, or null. */
  nextAtMs(): number | null {
    const nowMs = this.#clock.monotonicMs();
    const pending = [...this.#entries.values()]
      .map((entry) => this.#retryAtMs(entry))
      .filter((atMs) => atMs > nowMs);
    return pending.length === 0 ? null : Math.min(...pending);
  }

  /** What was mended so often lately that it has to wait. */
  contests(): Contest[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#entries.keys()].flatMap((object) => {
      const entry = this.#entry(object);
      if (entry === undefined || entry.times < this.#settings.free) return [];
      return [{ object, times: entry.times, retryInMs: Math.max(0, this.#retryAtMs(entry) - nowMs) }];
    });
  }

  /** An entry that was left alone long enough is forgotten. */
  #entry(object: string): Entry | undefined {
    const entry = this.#entries.get(object);
    if (entry === undefined) return undefined;
    if (this.#clock.monotonicMs() <= this.#retryAtMs(entry) + this.#settings.quietMs) return entry;
    this.#entries.delete(object);
    return undefined;
  }

  #retryAtMs({ times, lastMs }: Entry): number {
    const { free, firstPauseMs, maxPauseMs } = this.#settings;
    if (times < free) return lastMs;
    return lastMs + Math.min(firstPauseMs * 2 ** (times - free), maxPauseMs);
  }
}
