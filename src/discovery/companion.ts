import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

/** A node of this implementation: only those tell their run. */
export const isOurs = (peer: Pick<Peer, "instance">): boolean => peer.instance !== "";

interface Among {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: PeerStore;
}

/** By chance one of the peers that have a tunnel, and that `accepts` takes; null when there is none. */
export function companion({ clock, random, store }: Among, accepts: (peer: Peer) => boolean): Peer | null {
  const nowMs = clock.wallMs();
  const peers = store.list().filter((peer) => accepts(peer) && isConnected(peer.lastHandshakeMs, nowMs));
  return peers[Math.floor(random.unit() * peers.length)] ?? null;
}
