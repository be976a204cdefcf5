/**
 * What a message says about its sender and about others, in the store's terms. Endpoints follow PROTOCOL.md section 5.1,
 * except that none ever lies inside the mesh: WireGuard would then run inside itself (weak point 27).
 */
import type { Endpoint } from "../core/types.ts";
import type { DiscoveryMethod, Sighting } from "../peers/peer.ts";
import { transitiveEndpoint } from "../wire/endpointRules.ts";
import type { Announcement, Mention } from "../wire/types.ts";
import { sourceKey } from "./rateLimiter.ts";

type InsideMesh = (ip: string) => boolean;

/** The endpoint, unless it lies inside the mesh. */
export function outside(endpoint: Endpoint | null, isInsideMesh: InsideMesh): Endpoint | null {
  return endpoint === null || isInsideMesh(endpoint.host) ? null : endpoint;
}

/** What besides the announcement itself says about its sender. */
type Said = Pick<Sighting, "controlEndpoint" | "knowsUs" | "answered" | "proven">;

/** Whose word a mention is; see {@link Sighting}. */
export type Teller = Pick<Sighting, "source" | "tunnel">;

/*
 * Both are written member by member, absent ones as undefined: each message makes several, and V8 builds such an object many times
 * faster than one that is put together of parts.
 */

/** The sender's word about itself, from the address `from`. */
export function directSighting(
  announcement: Announcement,
  method: DiscoveryMethod,
  endpoint: Endpoint | null,
  from: Endpoint,
  said: Said = {},
): Sighting {
  const { candidates = [] } = announcement;
  return {
    publicKey: announcement.publicKey,
    method,
    source: sourceKey(from.host),
    hostname: announcement.hostname,
    meshIp: announcement.meshIp,
    meshIpv6: announcement.meshIpv6 ?? undefined,
    endpoint: endpoint ?? undefined,
    controlEndpoint: said.controlEndpoint,
    introducer: announcement.introducer,
    relays: announcement.relays ?? false,
    settled: announcement.settled === true ? true : undefined,
    exitNode: announcement.exitNode ?? false,
    networks: announcement.networks,
    // What is said to the whole LAN has none.
    candidates: method === "lan" && candidates.length === 0 ? undefined : candidates,
    natType: announcement.natType,
    instance: announcement.instance,
    knowsUs: said.knowsUs,
    answered: said.answered,
    proven: said.proven,
    sentAtSeconds: announcement.timestampSeconds,
  };
}

/** What somebody else says about a peer. */
export function mentionSighting(
  known: Mention,
  method: DiscoveryMethod,
  isInsideMesh: InsideMesh,
  { source, tunnel }: Teller,
): Sighting {
  return {
    publicKey: known.publicKey,
    method,
    source,
    tunnel,
    hostname: known.hostname,
    meshIp: known.meshIp,
    meshIpv6: known.meshIpv6 ?? undefined,
    endpoint: outside(transitiveEndpoint(known.wgEndpoint), isInsideMesh) ?? undefined,
    natType: known.natType,
    ageSeconds: known.ageSeconds,
  };
}
