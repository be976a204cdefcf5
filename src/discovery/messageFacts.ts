/** What a message, or the place it goes to, shows beside what it says. */
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import type { ReceivedAnnouncement } from "./inbound.ts";
import type { Underlay } from "./seams.ts";

export function mentionsUs({ announcement }: ReceivedAnnouncement, { snapshot }: LocalNode): boolean {
  return announcement.knownPeers.some(({ publicKey }) => publicKey === snapshot.publicKey);
}

/**
 * A proven word from the very address that LAN discovery has found confirms it; an answer from another one that is as near says that the
 * peer has moved there (row D10), long before anybody may believe that of multicast.
 */
export function isOnLan(
  before: Peer | undefined,
  { from, proven, type }: ReceivedAnnouncement,
  underlay: Pick<Underlay, "isAdjacent">,
): boolean {
  if (!proven || before?.endpointMethod !== "lan") return false;
  return before.endpoint?.host === from.host || (type === "REPLY" && underlay.isAdjacent(from.host));
}

/** Who has proved to be there, null for nobody known. */
export function whoIsAt(to: Endpoint, peers: readonly Peer[]): PublicKey | null {
  const isThere = ({ proven, controlEndpoint: at }: Peer): boolean =>
    proven && at?.host === to.host && at.port === to.port;
  return peers.find(isThere)?.publicKey ?? null;
}
