/**
 * Which peers somebody knows already, in few bytes: a Bloom filter over public keys (Bloom 1970), so that who is asked names only
 * those that the asker lacks. Field `have` of a HELLO: slices, slice, four bytes of salt, then the bits; our extension.
 *
 * Of a large mesh one filter tells only a slice; the next one tells the next. A key may look known though it is not: the salt is new
 * each time, so not to the next filter.
 */
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";

/** Two bytes and the salt. */
const HEAD_BYTES = 6;
const SALT_AT = 2;
/** Leaves room for mentions in a datagram. */
const MAX_BITS_BYTES = 192;
/** One key in fifty looks known though it is not. */
const BITS_A_KEY = 8;
const HASHES = 5;
const KEYS_A_SLICE = (MAX_BITS_BYTES * 8) / BITS_A_KEY;
const MAX_SLICES = 255;

export interface KeyFilter {
  /** 1 to 255. */
  readonly slices: number;
  /** From 0. */
  readonly slice: number;
  readonly salt: number;
  readonly bits: Uint8Array;
}

/** Filters that tell of `keys` keys together. */
export function slicesFor(keys: number): number {
  return Math.max(1, Math.min(MAX_SLICES, Math.ceil(keys / KEYS_A_SLICE)));
}

/** The filter of the slice whose turn it is in `round`. */
export function keyFilter(
  keys: readonly PublicKey[],
  round: number,
  random: Pick<Random, "bytes">,
): KeyFilter {
  const slices = slicesFor(keys.length);
  const slice = round % slices;
  const salt = Buffer.from(random.bytes(4)).readUInt32BE();
  const mine = keys.filter((key) => sliceOf(key, slices) === slice);
  const bits = new Uint8Array(
    Math.min(MAX_BITS_BYTES, Math.max(1, Math.ceil((mine.length * BITS_A_KEY) / 8))),
  );
  for (const key of mine) {
    const [first, step] = hashes(key, salt);
    for (let index = 0; index < HASHES; index += 1) {
      const place = placeOf(first, step, index, bits);
      (bits[place >> 3] as number) |= 1 << (place & 7);
    }
  }
  return { slices, slice, salt, bits };
}

/** True when the filter tells that its maker does not know the key. */
export function lacksKey({ slices, slice, salt, bits }: KeyFilter, key: PublicKey): boolean {
  if (sliceOf(key, slices) !== slice) return false;
  const [first, step] = hashes(key, salt);
  for (let index = 0; index < HASHES; index += 1) {
    const place = placeOf(first, step, index, bits);
    if (((bits[place >> 3] as number) & (1 << (place & 7))) === 0) return true;
  }
  return false;
}

export function keyFilterBytes({ slices, slice, salt, bits }: KeyFilter): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + bits.length);
  bytes[0] = slices;
  bytes[1] = slice;
  bytes.writeUInt32BE(salt, SALT_AT);
  bytes.set(bits, HEAD_BYTES);
  return bytes;
}

/** Undefined for what is none: it is as if none were there. */
export function readKeyFilter(bytes: Buffer): KeyFilter | undefined {
  const [slices = 0, slice = 0] = bytes;
  const bits = bytes.subarray(HEAD_BYTES);
  if (slice >= slices || bits.length === 0 || bits.length > MAX_BITS_BYTES) return undefined;
  return { slices, slice, salt: bytes.readUInt32BE(SALT_AT), bits };
}

/** The same for every salt, so that slices follow one another through all keys. */
function sliceOf(key: PublicKey, slices: number): number {
  return slices === 1 ? 0 : hash(key, 0) % slices;
}

/** Two hashes, of which all others are made (Kirsch and Mitzenmacher 2006). */
const hashes = (key: PublicKey, salt: number): readonly [number, number] => [
  hash(key, salt),
  hash(key, ~salt) | 1,
];

const placeOf = (first: number, step: number, index: number, bits: Uint8Array): number =>
  ((first + Math.imul(index, step)) >>> 0) % (bits.length * 8);

/** FNV-1a over the key's text, then the finish of MurmurHash3, for which neighbours are far apart. */
function hash(text: string, salt: number): number {
  let value = 0x811c9dc5 ^ salt;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
