import type { Random } from "../core/random.ts";

/** `count` of the items, all of them when there are fewer, in an order by chance. */
export function sample<T>(items: readonly T[], count: number, random: Random): T[] {
  const left = [...items];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    const index = Math.floor(random.unit() * left.length);
    const [item] = left.splice(index, 1) as [T];
    taken.push(item);
  }
  return taken;
}

/**
 * A waiting time without memory, of that mean and at most five times as long: how long it has been tells nothing of how long it will
 * be, nor of who began to wait first.
 */
export function exponentialMs(meanMs: number, random: Random): number {
  return Math.min(5 * meanMs, -Math.log(1 - random.unit()) * meanMs);
}
