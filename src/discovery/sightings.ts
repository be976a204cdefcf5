/**
 * What a message says about its sender and about others, in the store's terms. Endpoints follow PROTOCOL.md section 5.1,
 * except that none ever lies inside the mesh: WireGuard would then run inside itself (weak point 27).
 */
import type { Endpoint } from "../core/types.ts";
import type { DiscoveryMethod, Sighting } from "../peers/peer.ts";
import { transitiveEndpoint } from "../wire/endpointRules.ts";
import type { Announcement, KnownPeer, Mention } from "../wire/types.ts";
import { sourceKey } from "./rateLimiter.ts";

type InsideMesh = (ip: string) => boolean;

/** The endpoint, unless it lies inside the mesh. */
export function outside(endpoint: Endpoint | null, isInsideMesh: InsideMesh): Endpoint | null {
  return endpoint === null || isInsideMesh(endpoint.host) ? null : endpoint;
}

/** The sender's word about itself, from the address `from`. */
export function directSighting(
  announcement: Announcement,
  method: DiscoveryMethod,
  endpoint: Endpoint | null,
  from: Endpoint,
): Sighting {
  const { candidates = [] } = announcement;
  return {
    source: sourceKey(from.host),
    ...common(announcement, method),
    ...(endpoint === null ? {} : { endpoint }),
    introducer: announcement.introducer,
    relays: announcement.relays ?? false,
    ...(announcement.settled === true ? { settled: true } : {}),
    exitNode: announcement.exitNode ?? false,
    networks: announcement.networks,
    // What is said to the whole LAN has none.
    ...(method === "lan" && candidates.length === 0 ? {} : { candidates }),
    instance: announcement.instance,
    sentAtSeconds: announcement.timestampSeconds,
  };
}

/** What somebody else says about a peer. */
export function mentionSighting(known: Mention, method: DiscoveryMethod, isInsideMesh: InsideMesh): Sighting {
  const endpoint = outside(transitiveEndpoint(known.wgEndpoint), isInsideMesh);
  return {
    ...common(known, method),
    ...(endpoint === null ? {} : { endpoint }),
    ...(known.ageSeconds === undefined ? {} : { ageSeconds: known.ageSeconds }),
  };
}

function common(node: KnownPeer, method: DiscoveryMethod): Sighting {
  return {
    publicKey: node.publicKey,
    method,
    hostname: node.hostname,
    meshIp: node.meshIp,
    ...(node.meshIpv6 === null ? {} : { meshIpv6: node.meshIpv6 }),
    natType: node.natType,
  };
}
