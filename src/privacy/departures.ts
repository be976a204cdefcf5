import type { PublicKey } from "../core/types.ts";
import type { PassedAnnouncement } from "../wire/dandelion.ts";

export interface Departure {
  readonly to: PublicKey;
  readonly message: PassedAnnouncement;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

/** More wait only under attack, within the limits of each source; what comes then is dropped. */
const MAX_WAITING = 4_096;

/** What is to be sent after a moment, in the order of time. Pure. */
export class Departures {
  readonly #waiting: Departure[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** False when there is no room. */
  add(departure: Departure): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false;
    let index = this.#waiting.length;
    while (index > 0 && (this.#waiting[index - 1]?.atMs ?? 0) > departure.atMs) index -= 1;
    this.#waiting.splice(index, 0, departure);
    return true;
  }

  take(nowMs: number): Departure[] {
    const later = this.#waiting.findIndex(({ atMs }) => atMs > nowMs);
    return this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
  }

  nextAtMs(): number | null {
    return this.#waiting[0]?.atMs ?? null;
  }
}
