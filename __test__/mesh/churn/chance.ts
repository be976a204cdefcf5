/** Chance that can be had again: the same seed gives the same events. */

export type Chance = (below: number) => number;

/** Whole numbers from 0 up to, not including, `below`; the generator is mulberry32. `seed` is an unsigned number of 32 bits. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function oneOf<T>(chance: Chance, values: readonly T[]): T {
  const value = values[chance(values.length)];
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
}
