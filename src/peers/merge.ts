/**
 * What a sighting makes of a peer: a pure function, so that it can be tested as one.
 *
 * It differs from the Go peer (PROTOCOL.md section 10) where that lets a third party speak for the owner: a mention (see
 * isMention) fills gaps only. It never sets introducer, networks, instance, knowsUs or lastSeenMs, and never replaces
 * what the owner said (weak points 4 and 23). In return the owner's word counts in full: networks are those it sent
 * last, so they can be withdrawn.
 */
import type { Endpoint, PublicKey } from "../core/types.ts";
import { isConnected } from "./connected.ts";
import type { DiscoveryMethod, Peer, Sighting } from "./peer.ts";
import { endpointRank, isMention } from "./rank.ts";

/**
 * After this long without being told again an endpoint gives way to the owner's word of lower rank: the Go peer keeps a
 * LAN endpoint for ever after the peer has left (weak point 23). Twelve of its LAN announcements fit in it.
 */
export const ENDPOINT_STALE_MS = 60_000;

/** The same for a peer that proves itself: it is told again by HELLO and REPLY only, under four minutes apart. */
const PROVEN_ENDPOINT_STALE_MS = 5 * 60_000;

const NONE: readonly never[] = Object.freeze([]);

/** The merged record, frozen; `before` itself when the sighting changes nothing. `nowMs` is Unix time. */
export function mergeSighting(before: Peer | null, sighting: Sighting, nowMs: number): Peer {
  const base = before ?? unknownPeer(sighting, nowMs);
  const merged = isMention(sighting.method)
    ? mergeMention(base, sighting, nowMs)
    : mergeWord(base, sighting, nowMs);
  return before !== null && samePeer(before, merged) ? before : Object.freeze(merged);
}

/** Who says itself, with a proof, that it is elsewhere is no longer where it was, though its new address may be another's. */
export function withoutLeftAddress(peer: Peer, { proven, method, meshIp, meshIpv6 }: Sighting): Peer {
  if (proven !== true || isMention(method)) return peer;
  const left = meshIp !== undefined && peer.meshIp !== null && peer.meshIp !== meshIp;
  const leftIpv6 = meshIpv6 !== undefined && peer.meshIpv6 !== null && peer.meshIpv6 !== meshIpv6;
  if (!left && !leftIpv6) return peer;
  return Object.freeze({
    ...peer,
    ...(left ? { meshIp: null } : {}),
    ...(leftIpv6 ? { meshIpv6: null } : {}),
  });
}

function unknownPeer(sighting: Sighting, nowMs: number): Peer {
  return {
    publicKey: sighting.publicKey,
    hostname: "",
    meshIp: null,
    meshIpv6: null,
    endpoint: null,
    endpointMethod: sighting.method,
    endpointAtMs: 0,
    controlEndpoint: null,
    methods: NONE,
    introducer: false,
    relays: false,
    exitNode: false,
    networks: NONE,
    candidates: NONE,
    natType: "",
    instance: "",
    firstSeenMs: nowMs,
    // Our own memory of the last run, not a third party's word; it can only shorten the time a peer counts as seen.
    lastSeenMs: sighting.method === "cache" ? Math.min(sighting.seenAtMs ?? 0, nowMs) : 0,
    lastHandshakeMs: 0,
    knowsUs: false,
    proven: false,
  };
}

/*
 * Records are written member by member: V8 builds such an object many times faster than one that starts with a spread, and gives all
 * of them one shape.
 */

function mergeMention(peer: Peer, sighting: Sighting, nowMs: number): Peer {
  const at = mentionedEndpoint(peer, sighting, nowMs);
  return {
    publicKey: peer.publicKey,
    hostname: peer.hostname || (sighting.hostname ?? ""),
    meshIp: peer.meshIp ?? sighting.meshIp ?? null,
    meshIpv6: peer.meshIpv6 ?? sighting.meshIpv6 ?? null,
    endpoint: at.endpoint,
    endpointMethod: at.endpointMethod,
    endpointAtMs: at.endpointAtMs,
    controlEndpoint: peer.controlEndpoint,
    methods: withMethod(peer.methods, sighting.method),
    introducer: peer.introducer,
    relays: peer.relays,
    exitNode: peer.exitNode ?? false,
    networks: peer.networks,
    candidates: peer.candidates,
    // What was not known when it was first told of, because STUN takes a while.
    natType:
      peer.natType === "unknown" && peer.lastSeenMs === 0
        ? sighting.natType || peer.natType
        : peer.natType || (sighting.natType ?? ""),
    instance: peer.instance,
    firstSeenMs: peer.firstSeenMs,
    lastSeenMs: peer.lastSeenMs,
    lastHandshakeMs: peer.lastHandshakeMs,
    knowsUs: peer.knowsUs,
    proven: peer.proven || (sighting.proven ?? false),
  };
}

function mergeWord(peer: Peer, sighting: Sighting, nowMs: number): Peer {
  const at = toldEndpoint(peer, sighting, nowMs);
  const instance = sighting.instance || peer.instance;
  // A peer that has started anew has forgotten us.
  const knewUs = instance === peer.instance && peer.knowsUs;
  return {
    publicKey: peer.publicKey,
    hostname: sighting.hostname || peer.hostname,
    meshIp: sighting.meshIp ?? peer.meshIp,
    meshIpv6: sighting.meshIpv6 ?? peer.meshIpv6,
    endpoint: at.endpoint,
    endpointMethod: at.endpointMethod,
    endpointAtMs: at.endpointAtMs,
    controlEndpoint: keepEqual(peer.controlEndpoint, sighting.controlEndpoint),
    methods: withMethod(peer.methods, sighting.method),
    introducer: sighting.introducer ?? peer.introducer,
    relays: sighting.relays ?? peer.relays,
    exitNode: sighting.exitNode ?? peer.exitNode ?? false,
    networks: keepEqualList(peer.networks, sighting.networks),
    candidates: keepEqualList(peer.candidates, sighting.candidates, sameEndpoint),
    natType: sighting.natType || peer.natType,
    instance,
    firstSeenMs: peer.firstSeenMs,
    lastSeenMs: nowMs,
    lastHandshakeMs: peer.lastHandshakeMs,
    knowsUs: knewUs || (sighting.knowsUs ?? false),
    proven: peer.proven || (sighting.proven ?? false),
  };
}

type EndpointFields = Pick<Peer, "endpoint" | "endpointMethod" | "endpointAtMs">;

/** A tunnel that works is not moved by hearsay (row D10: a fresh handshake outweighs control messages). */
function mentionedEndpoint(peer: Peer, sighting: Sighting, nowMs: number): EndpointFields {
  const works = isConnected(peer.lastHandshakeMs, nowMs);
  const told = peer.endpoint !== null && !isMention(peer.endpointMethod);
  return works || told ? peer : toldEndpoint(peer, sighting, nowMs);
}

/**
 * Replaced when there was none, by the owner's word where there was hearsay, by a higher rank, by the same rank unless
 * that turns IPv6 into IPv4, and by the owner's word when stale.
 */
function toldEndpoint(peer: Peer, { endpoint, method, proven }: Sighting, nowMs: number): EndpointFields {
  if (endpoint === undefined) return peer;
  const told = { endpoint: keepEqual(peer.endpoint, endpoint), endpointMethod: method, endpointAtMs: nowMs };
  if (peer.endpoint === null) return told;
  const gain = endpointRank(method) - endpointRank(peer.endpointMethod);
  const works = isConnected(peer.lastHandshakeMs, nowMs);
  // A path through NATs was proved by packets; where the owner believes to be seen is less than that.
  if (works && peer.endpointMethod === "dht-rendezvous" && gain < 0) return peer;
  const isWord = !isMention(method);
  if (isWord && (isMention(peer.endpointMethod) || isStale(peer, nowMs))) return told;
  // Where the tunnel does not work, the owner knows best.
  if (isWord && proven && !works) return told;
  if (gain === 0) return isIpv6(peer.endpoint) && !isIpv6(endpoint) ? peer : told;
  return gain > 0 ? told : peer;
}

function isStale(peer: Peer, nowMs: number): boolean {
  return nowMs - peer.endpointAtMs > (peer.proven ? PROVEN_ENDPOINT_STALE_MS : ENDPOINT_STALE_MS);
}

function isIpv6(endpoint: Endpoint): boolean {
  return endpoint.host.includes(":");
}

/** In practice there are few, and each peer has one. */
const MAX_METHOD_LISTS = 256;
const methodLists = new Map<string, readonly DiscoveryMethod[]>();

function withMethod(
  methods: readonly DiscoveryMethod[],
  method: DiscoveryMethod,
): readonly DiscoveryMethod[] {
  if (methods.includes(method)) return methods;
  const next = [...methods, method];
  const key = next.join();
  const known = methodLists.get(key) ?? Object.freeze(next);
  if (methodLists.size < MAX_METHOD_LISTS) methodLists.set(key, known);
  return known;
}

/** The old object when the new one says the same, so that records can be compared member by member. */
function keepEqual(before: Endpoint | null, after: Endpoint | undefined): Endpoint | null {
  if (after === undefined || before === after) return before;
  if (before !== null && sameEndpoint(before, after)) return before;
  return Object.isFrozen(after) ? after : Object.freeze({ host: after.host, port: after.port });
}

const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => a.host === b.host && a.port === b.port;

function keepEqualList<T>(
  before: readonly T[],
  after: readonly T[] | undefined,
  equal: (a: T, b: T) => boolean = Object.is,
): readonly T[] {
  if (after === undefined) return before;
  const same =
    before.length === after.length && before.every((item, index) => equal(item, after[index] as T));
  return same ? before : Object.freeze([...after]);
}

const FIELDS = Object.keys(
  unknownPeer({ publicKey: "" as PublicKey, method: "cache" }, 0),
) as readonly (keyof Peer)[];

/** The members in which two records of one peer differ. */
export function changedFields(before: Peer, after: Peer): Set<keyof Peer> {
  const changed = new Set<keyof Peer>();
  for (const field of FIELDS) if (before[field] !== after[field]) changed.add(field);
  return changed;
}

function samePeer(before: Peer, after: Peer): boolean {
  for (const field of FIELDS) if (before[field] !== after[field]) return false;
  return true;
}
