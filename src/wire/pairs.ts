/**
 * What two keys have in common without a word between them (PROTOCOL.md section 7): a seed, its text as pair id, and the seconds in
 * which both try.
 */
import type { PublicKey } from "../core/types.ts";

/** The offset basis 0xcbf29ce484222325 in halves, and the prime 2^40 + 0x1b3 without its highest bit. */
const FNV_OFFSET_HIGH = 0xcbf29ce4;
const FNV_OFFSET_LOW = 0x84222325;
const FNV_PRIME_LOW = 0x1b3;
const PAIR_ID = /^[0-9a-f]{16}$/;

/** The window comes every so many seconds and is open for the first so many of them. */
const WINDOW_SECONDS = 20n;
const OPEN_SECONDS = 4n;

/**
 * FNV-1a, 64 bits, over the texts (of ASCII) with a zero byte between each two. In halves of 32 bits, whose products are exact: BigInt
 * takes four times as long, and relays are ordered by it for each pair without a path.
 */
export function fnv1a64(...texts: readonly string[]): bigint {
  const text = texts.join("\0");
  let high = FNV_OFFSET_HIGH;
  let low = FNV_OFFSET_LOW;
  for (let index = 0; index < text.length; index += 1) {
    low = (low ^ (text.charCodeAt(index) & 0xff)) >>> 0;
    const product = low * FNV_PRIME_LOW;
    const carry = Math.floor(product / 2 ** 32);
    // The 2^40 of the prime moves the low half into the high one, eight bits up.
    high = (high * FNV_PRIME_LOW + carry + ((low << 8) >>> 0)) >>> 0;
    low = product >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Of both key texts, the lower one first. */
export function pairSeed(a: PublicKey, b: PublicKey): bigint {
  return a < b ? fnv1a64(a, b) : fnv1a64(b, a);
}

/** The seed as 16 hex digits. */
export function pairId(a: PublicKey, b: PublicKey): string {
  return pairSeed(a, b).toString(16).padStart(16, "0");
}

/** True for text of that form, whoever's it is. */
export function isPairId(text: string): boolean {
  return PAIR_ID.test(text);
}

/** Whether both sides try in this second of Unix time. */
export function isPairWindow(seed: bigint, unixSeconds: number): boolean {
  const phase = (BigInt(unixSeconds) % WINDOW_SECONDS) - (seed % WINDOW_SECONDS) + WINDOW_SECONDS;
  return phase % WINDOW_SECONDS < OPEN_SECONDS;
}
