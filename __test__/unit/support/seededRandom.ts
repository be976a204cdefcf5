import { createHash } from "node:crypto";
import type { Random } from "../../../src/core/random.ts";

/** Chance that comes out the same in every run: the same seed, whatever its text, gives the same values (mulberry32). */
export function seededRandom(seed: string): Random {
  let state = createHash("sha256").update(seed).digest().readUInt32BE(0);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    bytes: (size) => Buffer.from(Array.from({ length: size }, () => next() & 255)),
    unit: () => next() / 2 ** 32,
  };
}
