/**
 * Which known peers the next datagram to a destination mentions: a few, then the next few (weak point 32).
 */
import type { PublicKey } from "../core/types.ts";
import type { Peer } from "../peers/peer.ts";

/** Destinations whose place in the list is remembered; the others start again at its beginning. */
const MAX_DESTINATIONS = 2048;

export class MentionRotation {
  /** The last key mentioned to a destination: survives peers coming and going, which an index would not. */
  readonly #last = new Map<PublicKey, PublicKey>();

  /** All candidates in the order they should be mentioned to `destination`: those after the last mentioned one first. */
  order(destination: PublicKey, candidates: readonly Peer[]): Peer[] {
    const others = candidates.filter((peer) => peer.publicKey !== destination);
    others.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
    const last = this.#last.get(destination);
    const start = last === undefined ? 0 : others.findIndex((peer) => peer.publicKey > last);
    return start <= 0 ? others : [...others.slice(start), ...others.slice(0, start)];
  }

  /** Notes that the first `count` of `ordered` went out. */
  mentioned(destination: PublicKey, ordered: readonly Peer[], count: number): void {
    const last = ordered[Math.min(count, ordered.length) - 1];
    if (!last) return;
    this.#last.delete(destination);
    this.#last.set(destination, last.publicKey);
    if (this.#last.size <= MAX_DESTINATIONS) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}
