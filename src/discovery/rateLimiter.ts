/**
 * How much of what arrives is looked at (row D10, weak point 17). Pure: time comes in as an argument.
 */
import { isIPv4 } from "node:net";
import { TokenBucket } from "../core/tokenBucket.ts";

/** Datagrams per second and source; the Go peer resends a HELLO ten times a second, and two of them may share a NAT. */
const SOURCE_RATE_PER_SECOND = 20;
const SOURCE_BURST = 40;
/** Sources remembered; the least recently heard one is forgotten first. */
export const MAX_SOURCES = 4096;

/**
 * All sources together, in units of one Ethernet frame's worth of bytes: 2,000 a second are 3 MB/s, which opening and
 * parsing handle with under a tenth of one core, and a mesh of 1,000 peers needs about 20. The burst lets that mesh
 * start all at once.
 */
const GLOBAL_RATE_PER_SECOND = 2_000;
const GLOBAL_BURST = 4_000;
const UNIT_BYTES = 1_500;

/** One bucket per source: an IPv4 address, or an IPv6 /64, since one host owns all of a /64. */
export class SourceLimiter {
  readonly #buckets = new Map<string, TokenBucket>();

  /** `ip` is a canonical address. False when the source has used up its share. */
  take(ip: string, nowMs: number): boolean {
    const source = sourceKey(ip);
    let bucket = this.#buckets.get(source);
    if (bucket) {
      this.#buckets.delete(source);
    } else {
      bucket = new TokenBucket(SOURCE_RATE_PER_SECOND, SOURCE_BURST, nowMs);
      if (this.#buckets.size >= MAX_SOURCES) {
        const [oldest] = this.#buckets.keys();
        if (oldest !== undefined) this.#buckets.delete(oldest);
      }
    }
    this.#buckets.set(source, bucket);
    return bucket.take(nowMs);
  }

  get size(): number {
    return this.#buckets.size;
  }
}

/**
 * The common bucket behind the sources' own, because source addresses are free to invent. Addresses that answered us have
 * a bucket apart, so that a flood of invented ones cannot starve the peers.
 */
export class GlobalLimiter {
  readonly #known: TokenBucket;
  readonly #unknown: TokenBucket;

  constructor(nowMs: number) {
    this.#known = new TokenBucket(GLOBAL_RATE_PER_SECOND, GLOBAL_BURST, nowMs);
    this.#unknown = new TokenBucket(GLOBAL_RATE_PER_SECOND, GLOBAL_BURST, nowMs);
  }

  take(sizeBytes: number, known: boolean, nowMs: number): boolean {
    return (known ? this.#known : this.#unknown).take(nowMs, Math.max(1, sizeBytes / UNIT_BYTES));
  }
}

/** What one host owns: an IPv4 address, or an IPv6 /64. `ip` is a canonical address. */
export function sourceKey(ip: string): string {
  if (isIPv4(ip)) return ip;
  // Canonical text has at most one "::"; the first four groups are the /64.
  const [head = "", tail] = ip.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail === undefined) return groups.slice(0, 4).join(":");
  const tailGroups = tail === "" ? [] : tail.split(":");
  while (groups.length + tailGroups.length < 8) groups.push("0");
  return [...groups, ...tailGroups].slice(0, 4).join(":");
}
