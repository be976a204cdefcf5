/**
 * Which nodes may relay for a pair, and which of them first. Pure.
 */
import type { PublicKey } from "../../core/types.ts";
import type { Peer } from "../../peers/peer.ts";
import { fnv1a64 } from "../../wire/pairs.ts";

/**
 * The relays in the order in which they are asked: the same for both ends, whatever each knows besides (weak point 19), and a
 * different one for each pair, so that they share the load. One that comes or goes moves no pair but its own.
 */
export function orderRelays(a: PublicKey, b: PublicKey, relays: readonly PublicKey[]): PublicKey[] {
  if (relays.length < 2) return [...relays];
  const [lower, higher] = a < b ? [a, b] : [b, a];
  return relays
    .map((relay) => ({ relay, weight: fnv1a64(lower, higher, relay) }))
    .sort((x, y) => (x.weight === y.weight ? (x.relay < y.relay ? -1 : 1) : x.weight > y.weight ? -1 : 1))
    .map(({ relay }) => relay);
}

/** A node of ours that says it relays, has proved its key, and is among the trusted ones, if any are named. */
export function mayRelay(peer: Peer, trusted: readonly PublicKey[]): boolean {
  const isTrusted = trusted.length === 0 || trusted.includes(peer.publicKey);
  return isTrusted && peer.relays && peer.proven;
}
