import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import { firstAfter } from "../peers/keyOrder.ts";
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
   * The first `most` of those that may be mentioned, in the order they should be: those after the last mentioned one first. A
   * destination that was told nothing yet starts by chance, so that thirty nodes tell a newcomer thirty different things.
   *
   * @param keys in order
   * @param mentionable the peer of a key, null for one that is not to be mentioned
   */
  next(
    destination: PublicKey | null,
    keys: readonly PublicKey[],
    mentionable: (publicKey: PublicKey) => Peer | null,
    most: number,
  ): Peer[] {
    const last = destination === null ? undefined : this.#last.get(destination);
    const start = last === undefined ? Math.floor(this.#random.unit() * keys.length) : firstAfter(keys, last);
    const chosen: Peer[] = [];
    for (let passed = 0; passed < keys.length && chosen.length < most; passed += 1) {
      const publicKey = keys[(start + passed) % keys.length] as PublicKey;
      const peer = publicKey === destination ? null : mentionable(publicKey);
      if (peer !== null) chosen.push(peer);
    }
    return chosen;
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
