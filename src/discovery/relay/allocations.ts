/**
 * Which pairs this node relays, and for whom no more. Pure: time comes in as an argument.
 */

import { TokenBucket } from "../../core/tokenBucket.ts";
import type { PublicKey } from "../../core/types.ts";

/** A pair costs the data plane an entry and two addresses; a member gets a share of them, so that one cannot take all. */
export const MAX_SESSIONS = 256;
const MAX_SESSIONS_OF_MEMBER = 32;
/** An end repeats its request every 2 s. */
const REQUESTS_PER_SECOND = 5;
const REQUESTS_BURST = 40;
/** Both ends keep an idle session alive with a frame every 15 to 20 s. */
export const IDLE_MS = 60_000;

export interface Allocation {
  readonly id: string;
  readonly ends: readonly [PublicKey, PublicKey];
  readonly tokens: readonly [Buffer, Buffer];
  readonly sinceMs: number;
}

export class Allocations {
  readonly #byPair = new Map<string, Allocation>();
  readonly #requests = new Map<PublicKey, TokenBucket>();

  get size(): number {
    return this.#byPair.size;
  }

  list(): Allocation[] {
    return [...this.#byPair.values()];
  }

  /** False when the member asks too often. */
  admits(member: PublicKey, nowMs: number): boolean {
    let bucket = this.#requests.get(member);
    if (bucket === undefined) {
      if (this.#requests.size >= MAX_SESSIONS * 4) this.#requests.clear();
      bucket = new TokenBucket(REQUESTS_PER_SECOND, REQUESTS_BURST, nowMs);
      this.#requests.set(member, bucket);
    }
    return bucket.take(nowMs);
  }

  ofPair(a: PublicKey, b: PublicKey): Allocation | undefined {
    return this.#byPair.get(pairKey(a, b));
  }

  ofId(id: string): Allocation | undefined {
    return this.list().find((allocation) => allocation.id === id);
  }

  /** Whether there is room for another pair of these two. */
  hasRoom(a: PublicKey, b: PublicKey): boolean {
    const all = this.list();
    const of = (key: PublicKey): number => all.filter(({ ends }) => ends.includes(key)).length;
    return all.length < MAX_SESSIONS && of(a) < MAX_SESSIONS_OF_MEMBER && of(b) < MAX_SESSIONS_OF_MEMBER;
  }

  add(allocation: Allocation): void {
    this.#byPair.set(pairKey(...allocation.ends), allocation);
  }

  remove(allocation: Allocation): void {
    this.#byPair.delete(pairKey(...allocation.ends));
  }
}

const pairKey = (a: PublicKey, b: PublicKey): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
