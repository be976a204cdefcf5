/**
 * What two keys have in common without a word between them (PROTOCOL.md section 7): a seed, its text as pair id, and the seconds in
 * which both try.
 */
import type { PublicKey } from "../core/types.ts";

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const PAIR_ID = /^[0-9a-f]{16}$/;

/** The window comes every so many seconds and is open for the first so many of them. */
const WINDOW_SECONDS = 20n;
const OPEN_SECONDS = 4n;

/** FNV-1a, 64 bits, over the texts (of ASCII) with a zero byte between each two. */
export function fnv1a64(...texts: readonly string[]): bigint {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(texts.join("\0"), "latin1")) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  }
  return hash;
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

/** Seconds from this second of Unix time until the window opens; 0 while it is open. */
export function secondsToPairWindow(seed: bigint, unixSeconds: number): number {
  if (isPairWindow(seed, unixSeconds)) return 0;
  const phase =
    ((BigInt(unixSeconds) % WINDOW_SECONDS) - (seed % WINDOW_SECONDS) + WINDOW_SECONDS) % WINDOW_SECONDS;
  return Number(WINDOW_SECONDS - phase);
}
