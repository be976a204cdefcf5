/**
 * In which order peers' claims to networks are judged, and so who gets one that several advertise (row E3). Pure.
 */
import type { Cidr, PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";

/** A peer says that the network is behind it. */
export interface Claim {
  readonly peer: Peer;
  readonly network: Cidr;
}

export interface Preference {
  /** False for a peer that does not answer, though its session may still count: see usability.ts. */
  readonly isUsable: (publicKey: PublicKey) => boolean;
  /** Who has each network now: it stays there while nothing is wrong with that peer. */
  readonly holders: ReadonlyMap<Cidr, PublicKey>;
}

/**
 * Peers that answer and are connected, then those that answer as far as is known, then the silent ones. Among equals the one
 * that has the network now, so that a node that comes back moves nobody; then the lower key, so that nodes that see
 * the same decide alike. Each network of a peer counts once.
 */
export function claimsInOrder(
  peers: readonly Peer[],
  { isUsable, holders }: Preference,
  nowMs: number,
): Claim[] {
  const kept: Claim[][] = [[], [], []];
  const others: Claim[][] = [[], [], []];
  for (const peer of [...peers].sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))) {
    const tier = isUsable(peer.publicKey) ? (isConnected(peer.lastHandshakeMs, nowMs) ? 0 : 1) : 2;
    for (const network of new Set(peer.networks)) {
      const list = holders.get(network) === peer.publicKey ? kept : others;
      list[tier]?.push({ peer, network });
    }
  }
  return kept.flatMap((claims, tier) => [...claims, ...(others[tier] ?? [])]);
}
