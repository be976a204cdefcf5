import type { Clock } from "../core/clock.ts";

/** Twice the age a message may have, so that no accepted one can come again (weak point 2). */
const REMEMBER_MS = 20 * 60_000;

/** About 10 MiB when full, which takes 55 accepted messages a second. */
const MAX_NONCES = 65_536;

/**
 * - `new`: not seen in the last 20 minutes; now remembered.
 * - `repeat`: seen, from the same source: the Go peer resends one HELLO every 100 ms, so it may be answered, but it
 *   must change no state.
 * - `replay`: seen, from another source: to be dropped.
 */
export type ReplayVerdict = "new" | "repeat" | "replay";

interface Accepted {
  readonly source: string;
  readonly atMs: number;
}

/** Nonces of accepted messages. Only authenticated ones belong here, or garbage could push the others out. */
export class ReplayCache {
  readonly #clock: Clock;
  readonly #maxNonces: number;
  /** In the order of arrival, which is the order of expiry. */
  readonly #accepted = new Map<string, Accepted>();

  constructor(clock: Clock, maxNonces: number = MAX_NONCES) {
    this.#clock = clock;
    this.#maxNonces = maxNonces;
  }

  get size(): number {
    return this.#accepted.size;
  }

  /** Judges a message by its nonce and the address it came from (`ip:port` text). */
  check(nonce: Buffer, source: string): ReplayVerdict {
    const nowMs = this.#clock.monotonicMs();
    this.#forgetOld(nowMs);
    const key = nonce.toString("latin1");
    const known = this.#accepted.get(key);
    if (known !== undefined) return known.source === source ? "repeat" : "replay";
    if (this.#accepted.size >= this.#maxNonces) this.#forgetFirst();
    this.#accepted.set(key, { source, atMs: nowMs });
    return "new";
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { atMs }] of this.#accepted) {
      if (nowMs - atMs <= REMEMBER_MS) return;
      this.#accepted.delete(key);
    }
  }

  #forgetFirst(): void {
    for (const key of this.#accepted.keys()) {
      this.#accepted.delete(key);
      return;
    }
  }
}
