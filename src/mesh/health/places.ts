/**
 * Where else a peer may be that does not answer where it was last (row E4). Pure.
 */
import { type Endpoint, endpointText, isLiteral } from "../../core/types.ts";
import { bridgeOf, type PeerPath } from "../../peers/paths.ts";
import type { Peer } from "../../peers/peer.ts";

export interface PlacesInput {
  readonly peer: Peer;
  readonly path: PeerPath;
  /** Where WireGuard sends to now; null for nowhere. */
  readonly current: Endpoint | null;
  readonly isAllowed: (host: string) => boolean;
}

/** Enough for every address of a host; each costs a turn. */
const MAX_PLACES = 8;

/**
 * Its other endpoints, the likeliest first: what it said last, its candidates, the host that its control socket spoke from. None for
 * a peer behind a socket of ours, since WireGuard must not leave that.
 */
export function otherPlaces({ peer, path, current, isAllowed }: PlacesInput): Endpoint[] {
  if (bridgeOf(path) !== null || path.kind === "forwarded") return [];
  const port = peer.endpoint?.port ?? current?.port;
  const beside =
    peer.controlEndpoint === null || port === undefined ? [] : [{ host: peer.controlEndpoint.host, port }];
  const all = [...(peer.endpoint === null ? [] : [peer.endpoint]), ...peer.candidates, ...beside];
  const places = new Map<string, Endpoint>();
  for (const endpoint of all) {
    if (isLiteral(endpoint) && isAllowed(endpoint.host)) places.set(endpointText(endpoint), endpoint);
  }
  if (current !== null) places.delete(endpointText(current));
  return [...places.values()].slice(0, MAX_PLACES);
}
