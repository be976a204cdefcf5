/** Our GOODBYE, and where each peer hears it. */
import type { Clock } from "../core/clock.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

interface Farewell {
  readonly datagram: Uint8Array;
  readonly to: Endpoint;
}

/**
 * One for each place where a peer may hear it: where its control socket may be and, while there is a tunnel, its mesh address. WireGuard
 * has followed a peer that moved before we know where its control socket is now, and who misses a GOODBYE keeps us for minutes (row D10).
 */
export function farewellsOf(
  { clock, store }: { readonly clock: Clock; readonly store: PeerStore },
  gossipPort: number,
  announcer: { goodbye(publicKey: PublicKey): Uint8Array },
  exchange: { controlEndpoints(peer: Peer): readonly Endpoint[] },
): Farewell[] {
  const nowMs = clock.wallMs();
  return store.list().flatMap((peer) => {
    const datagram = announcer.goodbye(peer.publicKey);
    const outside = exchange.controlEndpoints(peer).map((to) => ({ datagram, to }));
    if (peer.meshIp === null || !isConnected(peer.lastHandshakeMs, nowMs)) return outside;
    return [...outside, { datagram, to: { host: peer.meshIp, port: gossipPort } }];
  });
}
