/**
 * How much the punching may send, whatever peers and introducers say (PROTOCOL.md weak point 10): so many packets to one address,
 * so many in all. What exceeds it is left out, since every probe is repeated anyway. Pure: time comes in as an argument.
 */
import { TokenBucket } from "../../core/tokenBucket.ts";
import { MAX_SPRAYED, SPRAY_PER_SECOND } from "./attempt.ts";

/** Ten peers behind one NAT begin at once; in the long run a named victim gets ten small packets a second. */
const ADDRESS_BURST = 150;
const ADDRESS_RATE_PER_SECOND = 10;
const OVERALL_BURST = 400;
const OVERALL_RATE_PER_SECOND = 200;
/** Ports of one address are tried once in this time, which doubles while no path to it comes of that. */
const SPRAY_AGAIN_MS = 30_000;
const MAX_SPRAY_AGAIN_MS = 480_000;
const MAX_ADDRESSES = 2_048;

export class PunchBudget {
  readonly #addresses = new Buckets(ADDRESS_RATE_PER_SECOND, ADDRESS_BURST);
  readonly #overall: TokenBucket;
  readonly #sprays: TokenBucket;
  readonly #sprayed = new Map<string, Sprayed>();

  constructor(nowMs: number) {
    this.#overall = new TokenBucket(OVERALL_RATE_PER_SECOND, OVERALL_BURST, nowMs);
    this.#sprays = new TokenBucket(SPRAY_PER_SECOND, SPRAY_PER_SECOND / 10, nowMs);
  }

  /** True when one packet may go to that IP address. */
  take(host: string, nowMs: number): boolean {
    // Asked in this order, so that one busy address does not use up what is for all.
    if (!this.#overall.has(nowMs) || !this.#addresses.take(host, nowMs)) return false;
    return this.#overall.take(nowMs);
  }

  /** True when one packet may go to a random port of that IP address. */
  takeSpray(host: string, nowMs: number): boolean {
    const spray = this.#sprayOf(host, nowMs);
    if (spray.count >= MAX_SPRAYED || !this.#sprays.take(nowMs)) return false;
    spray.count += 1;
    return true;
  }

  /** True when so many sockets may send to that IP address: they count as ports of it that are tried, since it may be a victim's as well. */
  takeWide(host: string, sockets: number, nowMs: number): boolean {
    const spray = this.#sprayOf(host, nowMs);
    if (spray.count + sockets > MAX_SPRAYED) return false;
    spray.count += sockets;
    return true;
  }

  #sprayOf(host: string, nowMs: number): Sprayed {
    let spray = this.#sprayed.get(host);
    if (spray === undefined || nowMs - spray.atMs >= spray.againMs) {
      this.#sprayed.delete(host);
      const againMs = spray === undefined ? SPRAY_AGAIN_MS : Math.min(2 * spray.againMs, MAX_SPRAY_AGAIN_MS);
      spray = { atMs: nowMs, count: 0, againMs };
      this.#sprayed.set(host, spray);
      dropOldest(this.#sprayed);
    }
    return spray;
  }

  /** A path to that address was proved: it is nobody's victim. */
  proved(host: string): void {
    const spray = this.#sprayed.get(host);
    if (spray !== undefined) spray.againMs = SPRAY_AGAIN_MS;
  }
}

interface Sprayed {
  readonly atMs: number;
  count: number;
  againMs: number;
}

/** One bucket for each key; the least recently used is forgotten first. */
export class Buckets {
  readonly #ratePerSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(ratePerSecond: number, burst: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#burst = burst;
  }

  take(key: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#ratePerSecond, this.#burst, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    dropOldest(this.#buckets);
    return bucket.take(nowMs);
  }
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= MAX_ADDRESSES) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
