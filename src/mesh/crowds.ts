/**
 * How many strangers at one address get WireGuard's attention at a time. An entry without a tunnel sends a handshake initiation every
 * 5 s to wherever its announcement says it is, and any member can invent a thousand keys that all point at a victim. Pure.
 */
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";

/** Six or seven initiations a second; a network of many nodes behind one address connects that many at a time. */
export const MAX_STRANGERS_AT_ADDRESS = 32;
/** Then it is the next ones' turn: a handshake is tried six times in it. */
export const TURN_MS = 30_000;

/**
 * The peers to leave out for now. Who has a tunnel is no stranger. `hostOf` tells where the peer's entry would point to, null for
 * nowhere, or for a socket of our own. `nowMs` is Unix time.
 */
export function leftOut(
  peers: readonly Peer[],
  hostOf: (peer: Peer) => string | null,
  nowMs: number,
): ReadonlySet<PublicKey> {
  const crowds = new Map<string, PublicKey[]>();
  for (const peer of peers) {
    if (isConnected(peer.lastHandshakeMs, nowMs)) continue;
    const host = hostOf(peer);
    if (host === null) continue;
    const crowd = crowds.get(host);
    if (crowd === undefined) crowds.set(host, [peer.publicKey]);
    else crowd.push(peer.publicKey);
  }
  const out = new Set<PublicKey>();
  for (const crowd of crowds.values()) {
    if (crowd.length <= MAX_STRANGERS_AT_ADDRESS) continue;
    // In the order of the keys, so that those who come and go do not change whose turn it is.
    crowd.sort();
    const first = (Math.floor(nowMs / TURN_MS) * MAX_STRANGERS_AT_ADDRESS) % crowd.length;
    for (const [index, publicKey] of crowd.entries()) {
      const place = (index - first + crowd.length) % crowd.length;
      if (place >= MAX_STRANGERS_AT_ADDRESS) out.add(publicKey);
    }
  }
  return out;
}
