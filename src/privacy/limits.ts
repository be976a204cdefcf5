/**
 * How many announcements of each neighbour are taken (weak point 17): each new one is sent on to a dozen others, so what one member
 * can make the mesh carry is bounded here. Pure; times are monotonic milliseconds.
 */
import { TokenBucket } from "../core/tokenBucket.ts";
import type { PublicKey } from "../core/types.ts";

/** The burst holds a start of a few hundred nodes at once, of whose announcements each neighbour passes on a part. */
const SOURCE_RATE_PER_SECOND = 5;
const SOURCE_BURST = 60;
/** Of all neighbours together, not counting repeats. */
const NEW_RATE_PER_SECOND = 20;
const NEW_BURST = 300;
const MAX_SOURCES = 1_024;

export class Limits {
  readonly #sources = new Map<PublicKey, TokenBucket>();
  readonly #all: TokenBucket;

  constructor(nowMs: number) {
    this.#all = new TokenBucket(NEW_RATE_PER_SECOND, NEW_BURST, nowMs);
  }

  /** False when the neighbour, or with what is new all of them, have used up their share. */
  take(source: PublicKey, isNew: boolean, nowMs: number): boolean {
    let bucket = this.#sources.get(source);
    if (bucket === undefined) {
      bucket = new TokenBucket(SOURCE_RATE_PER_SECOND, SOURCE_BURST, nowMs);
      this.#sources.set(source, bucket);
      const [oldest] = this.#sources.keys();
      if (this.#sources.size > MAX_SOURCES && oldest !== undefined) this.#sources.delete(oldest);
    }
    return bucket.take(nowMs) && (!isNew || this.#all.take(nowMs));
  }
}
