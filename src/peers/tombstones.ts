import type { PublicKey } from "../core/types.ts";
import type { Sighting } from "./peer.ts";
import { isMention } from "./rank.ts";

/** A teller's age is in whole seconds, and a datagram takes its time. */
const AGE_MARGIN_MS = 5_000;

/** As long as other nodes may go on mentioning a peer they have not heard leave. */
export const TOMBSTONE_MS = 10 * 60_000;

const MAX_TOMBSTONES = 1024;

interface Tombstone {
  /** The sender's clock in its last word, Unix seconds. */
  readonly lastWordSeconds: number;
  readonly instance: string;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

/**
 * Peers that have left or were evicted. The Go peer takes them back as fresh at the next mention (weak point 23); here
 * only their own later word brings them back. Times are monotonic milliseconds.
 */
export class Tombstones {
  /** In the order of arrival, which is the order of expiry. */
  readonly #stones = new Map<PublicKey, Tombstone>();

  get size(): number {
    return this.#stones.size;
  }

  add(publicKey: PublicKey, lastWordSeconds: number, instance: string, nowMs: number): void {
    this.#stones.delete(publicKey);
    this.#stones.set(publicKey, { lastWordSeconds, instance, atMs: nowMs });
    for (const oldest of this.#stones.keys()) {
      if (this.#stones.size <= MAX_TOMBSTONES) break;
      this.#stones.delete(oldest);
    }
  }

  /**
   * True when the sighting must be dropped. A later word of the peer, or a new run of it, lifts the tombstone. A mention passes it
   * only by somebody who has heard the peer itself since.
   */
  blocks(sighting: Sighting, nowMs: number): boolean {
    const stone = this.#stones.get(sighting.publicKey);
    if (stone === undefined) return false;
    if (nowMs - stone.atMs <= TOMBSTONE_MS) {
      if (isMention(sighting.method)) {
        const heardAtMs = nowMs - (sighting.ageSeconds ?? Number.POSITIVE_INFINITY) * 1000;
        // The stone stays: it still tells the peer's old words from new ones.
        return heardAtMs < stone.atMs + AGE_MARGIN_MS;
      }
      const isLater = (sighting.sentAtSeconds ?? 0) > stone.lastWordSeconds;
      const isNewRun = (sighting.instance ?? "") !== "" && sighting.instance !== stone.instance;
      if (!isLater && !isNewRun) return true;
    }
    this.#stones.delete(sighting.publicKey);
    return false;
  }

  forgetOld(nowMs: number): void {
    for (const [publicKey, { atMs }] of this.#stones) {
      if (nowMs - atMs <= TOMBSTONE_MS) return;
      this.#stones.delete(publicKey);
    }
  }
}
