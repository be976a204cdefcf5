import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import type { Peer } from "../peers/peer.ts";

/** Destinations whose place in the list is remembered; the others start at a place by chance. */
const MAX_DESTINATIONS = 2048;

/** Which known peers the next datagram to a destination mentions: a few, then the next few (weak point 32). */
export class MentionRotation {
  readonly #random: Random;
  /** The last key mentioned to a destination: survives peers coming and going, which an index would not. */
  readonly #last = new Map<PublicKey, PublicKey>();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * The candidates in the order they should be mentioned: those after the last mentioned one first. A destination that
   * was told nothing yet starts by chance, so that thirty nodes tell a newcomer thirty different things.
   */
  order(destination: PublicKey | null, candidates: readonly Peer[]): Peer[] {
    const others = candidates.filter((peer) => peer.publicKey !== destination);
    others.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
    const last = destination === null ? undefined : this.#last.get(destination);
    const start =
      last === undefined
        ? Math.floor(this.#random.unit() * others.length)
        : others.findIndex((peer) => peer.publicKey > last);
    return start <= 0 ? others : [...others.slice(start), ...others.slice(0, start)];
  }

  /** Notes that the first `count` of `ordered` went out. */
  mentioned(destination: PublicKey | null, ordered: readonly Peer[], count: number): void {
    const last = ordered[Math.min(count, ordered.length) - 1];
    if (destination === null || last === undefined) return;
    this.#last.delete(destination);
    this.#last.set(destination, last.publicKey);
    if (this.#last.size <= MAX_DESTINATIONS) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}
