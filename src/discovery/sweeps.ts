import { nextBeatMs } from "../core/beat.ts";
import type { PublicKey } from "../core/types.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

/** New names of a while are looked at together. */
const SOON_MS = 20;

/**
 * Which peers are looked at for a HELLO, and when: all at each beat, and between beats those of whom something is new. While a mesh of a
 * thousand forms there is news every few milliseconds, and a look at all for each would cost more than all the HELLOs. Pure: time comes
 * in as an argument.
 */
export class Sweeps {
  readonly #news = new Set<PublicKey>();
  #allAtMs: number;
  #newsAtMs = Number.POSITIVE_INFINITY;

  /** All are looked at first at `nowMs`. */
  constructor(nowMs: number) {
    this.#allAtMs = nowMs;
  }

  /** The peer is to be looked at soon. */
  note(publicKey: PublicKey, nowMs: number): void {
    this.#news.add(publicKey);
    this.#newsAtMs = Math.min(this.#newsAtMs, nowMs + SOON_MS);
  }

  /** When `take` has something next. */
  nextAtMs(): number {
    return Math.min(this.#allAtMs, this.#newsAtMs);
  }

  /** The peers to be looked at now; `isWhole` says that they are all there are. */
  take(store: Pick<PeerStore, "get" | "list">, nowMs: number): { peers: Peer[]; isWhole: boolean } {
    const isWhole = nowMs >= this.#allAtMs;
    if (!isWhole && nowMs < this.#newsAtMs) return { peers: [], isWhole };
    if (isWhole) this.#allAtMs = nextBeatMs(nowMs);
    const peers = isWhole ? store.list() : [...this.#news].flatMap((publicKey) => store.get(publicKey) ?? []);
    this.#news.clear();
    this.#newsAtMs = Number.POSITIVE_INFINITY;
    return { peers, isWhole };
  }
}
