import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

export interface Failure {
  /** `peer <key>`, `route 10.0.0.0/8`, `interface`. */
  readonly object: string;
  readonly reason: string;
  /** When it began to fail, Unix milliseconds. */
  readonly sinceMs: number;
}

interface Entry {
  readonly reason: string;
  readonly sinceMs: number;
  /** Monotonic. */
  readonly retryAtMs: number;
  readonly pauseMs: number;
}

/**
 * What keeps failing, with its reason and the time of its next attempt (row E2): one bad peer or route neither stops the
 * others nor is hammered.
 */
export class FailureBook {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, backoff: Backoff, log: Log) {
    this.#clock = clock;
    this.#backoff = backoff;
    this.#log = log;
  }

  /** Whether nothing fails, which is asked of thousands of peers at once. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** True while the object's pause runs. */
  isPaused(object: string): boolean {
    const entry = this.#entries.get(object);
    return entry !== undefined && entry.retryAtMs > this.#clock.monotonicMs();
  }

  isFailing(object: string): boolean {
    return this.#entries.has(object);
  }

  /** Notes a failure and doubles the pause. Logged when it is news: the first one, or another reason than before. */
  failed(object: string, reason: string): void {
    const nowMs = this.#clock.monotonicMs();
    const before = this.#entries.get(object);
    const { firstMs, maxMs } = this.#backoff;
    const pauseMs = before === undefined ? firstMs : Math.min(before.pauseMs * 2, maxMs);
    const sinceMs = before?.sinceMs ?? this.#clock.wallMs();
    this.#entries.set(object, { reason, sinceMs, retryAtMs: nowMs + pauseMs, pauseMs });
    if (before?.reason !== reason) this.#log.warn({ object, reason }, "reconcile failed");
  }

  /** Ends the pause of that object, or of all: what fails is tried again at once. */
  hurry(object?: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, entry] of this.#entries) {
      if (object === undefined || name === object) this.#entries.set(name, { ...entry, retryAtMs: nowMs });
    }
  }

  succeeded(object: string): void {
    if (this.#entries.delete(object)) this.#log.info({ object }, "reconcile succeeded again");
  }

  /** Forgets every object with this prefix that is not wanted any more. */
  retain(prefix: string, wanted: (object: string) => boolean): void {
    for (const object of this.#entries.keys()) {
      if (object.startsWith(prefix) && !wanted(object)) this.#entries.delete(object);
    }
  }

  /** Monotonic time of the next attempt of anything that fails, or null. */
  nextRetryAtMs(): number | null {
    const nowMs = this.#clock.monotonicMs();
    const pending = [...this.#entries.values()]
      .map((entry) => entry.retryAtMs)
      .filter((atMs) => atMs > nowMs);
    return pending.length === 0 ? null : Math.min(...pending);
  }

  list(): Failure[] {
    return [...this.#entries].map(([object, { reason, sinceMs }]) => ({ object, reason, sinceMs }));
  }
}
