/**
 * Epochs: for ten minutes a node hands what is on the stem to the same two neighbours, then to others (row D9, PROTOCOL.md section
 * 13). Pure.
 *
 * The Go peer draws its relays from HMAC(epoch seed, epoch). Every member has the seed, so every member would know the stems of all
 * others, and one that wants to see what a node announces could choose a key that makes it that node's relay. Here each node draws
 * its own by chance, and its epochs end when its own say, as in the Dandelion++ paper (Fanti et al. 2018, section 4.3): no other member
 * can tell whom a node has chosen, nor when it will choose again, and nothing has to agree.
 */
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import { sample } from "./chance.ts";

export const EPOCH_MS = 10 * 60_000;
export const RELAYS = 2;

export interface Epoch {
  /** From 1, in this run of the node; on no wire. */
  readonly number: number;
  /** Monotonic milliseconds. */
  readonly endsAtMs: number;
  /** At most {@link RELAYS}. */
  readonly relays: readonly PublicKey[];
}

/** The first epoch is shorter by chance, so that nodes started together do not change together. */
export function firstEpoch(nowMs: number, random: Random): Epoch {
  return { number: 1, endsAtMs: nowMs + EPOCH_MS * (0.5 + random.unit() / 2), relays: [] };
}

/** A new epoch with relays of its own; the same one while it lasts. */
export function nextEpoch(
  epoch: Epoch,
  neighbours: readonly PublicKey[],
  nowMs: number,
  random: Random,
): Epoch {
  if (nowMs < epoch.endsAtMs) return epoch;
  return {
    number: epoch.number + 1,
    endsAtMs: nowMs + EPOCH_MS,
    relays: sample(neighbours, RELAYS, random),
  };
}

/** A relay that is a neighbour no more is replaced; the others stay, or whoever breaks tunnels could have the choice made again. */
export function mendEpoch(epoch: Epoch, neighbours: readonly PublicKey[], random: Random): Epoch {
  const kept = epoch.relays.filter((relay) => neighbours.includes(relay));
  if (kept.length === epoch.relays.length && (kept.length >= RELAYS || kept.length === neighbours.length)) {
    return epoch;
  }
  const others = neighbours.filter((neighbour) => !kept.includes(neighbour));
  return { ...epoch, relays: [...kept, ...sample(others, RELAYS - kept.length, random)] };
}
