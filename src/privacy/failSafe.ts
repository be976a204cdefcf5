/**
 * What a dead node, a lost datagram or a loop swallowed on the stem: every node that has passed an announcement on waits for it to
 * come back as fluff, and sends it to everybody itself when it does not. Pure; times are monotonic milliseconds.
 *
 * Maker and relays wait alike, and without memory, so that who loses patience first does not tell who made it (Fanti et al. 2018,
 * section 4.4).
 */
import type { Random } from "../core/random.ts";
import type { PassedAnnouncement } from "../wire/dandelion.ts";
import { exponentialMs } from "./chance.ts";

/** Four hops and the way back, on slow paths. */
const PATIENCE_MS = 5_000;
const MEAN_MORE_MS = 5_000;
/** More wait only under attack; the oldest goes then, since it has been waited for longest. */
const MAX_WAITING = 1_024;

export interface Waiting {
  readonly message: PassedAnnouncement;
  readonly heldSinceMs: number;
  readonly dueAtMs: number;
}

export class FailSafe {
  readonly #waiting = new Map<string, Waiting>();

  get size(): number {
    return this.#waiting.size;
  }

  watch(message: PassedAnnouncement, nowMs: number, random: Random): void {
    const dueAtMs = nowMs + PATIENCE_MS + exponentialMs(MEAN_MORE_MS, random);
    this.#waiting.set(message.nonce, { message, heldSinceMs: nowMs, dueAtMs });
    if (this.#waiting.size <= MAX_WAITING) return;
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined) this.#waiting.delete(oldest);
  }

  /** It came back. */
  settle(nonce: string): void {
    this.#waiting.delete(nonce);
  }

  /** Those whose time is over; they are waited for no more. */
  take(nowMs: number): Waiting[] {
    const due = [...this.#waiting.values()].filter(({ dueAtMs }) => dueAtMs <= nowMs);
    for (const { message } of due) this.#waiting.delete(message.nonce);
    return due;
  }

  nextAtMs(): number | null {
    let next: number | null = null;
    for (const { dueAtMs } of this.#waiting.values()) if (next === null || dueAtMs < next) next = dueAtMs;
    return next;
  }
}
