/**
 * Which of the networks that peers advertise are taken, and from whom (row E3). Pure.
 */
import { type Cidr, type PublicKey, parseIp } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";
import { NetworkSet } from "./networkSet.ts";

/** `--accept-routes`: everything sane, nothing, or networks inside the listed ones. */
export type RoutePolicy = "all" | "none" | readonly Cidr[];

export interface RoutePolicyInput {
  readonly peers: readonly Peer[];
  readonly policy: RoutePolicy;
  /** The networks of the mesh addresses. */
  readonly meshNetworks: readonly Cidr[];
  /** What this node advertises itself. */
  readonly ownNetworks: readonly Cidr[];
  /** Networks this host is directly connected to: a directly connected one wins. */
  readonly underlayNetworks: readonly Cidr[];
  /** False with `--no-ipv6`. */
  readonly ipv6: boolean;
  /** Unix time in milliseconds. */
  readonly nowMs: number;
}

export interface RefusedNetwork {
  readonly publicKey: PublicKey;
  readonly network: Cidr;
  readonly reason: string;
}

export interface AcceptedNetworks {
  readonly byPeer: ReadonlyMap<PublicKey, readonly Cidr[]>;
  /** All of them, each once. */
  readonly networks: readonly Cidr[];
  readonly refused: readonly RefusedNetwork[];
}

/**
 * How many networks are judged, and so routed at most. A member of the mesh can make up a thousand peers with a hundred
 * networks each; those of connected peers come first.
 */
const MAX_NETWORKS = 2_000;

/** Loopback, link-local and multicast: never behind a router. */
const SPECIAL_NETWORKS = ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8"];

/**
 * Decides for all peers at once. A network that several advertise, or that overlaps another's, goes to one of them:
 * connected peers first, then the lower key, so that every node that sees the same peers decides alike.
 */
export function acceptNetworks(input: RoutePolicyInput): AcceptedNetworks {
  const byPeer = new Map<PublicKey, readonly Cidr[]>();
  const networks: Cidr[] = [];
  const refused: RefusedNetwork[] = [];
  const advertisers = input.peers.filter((peer) => peer.networks.length > 0);
  if (advertisers.length === 0) return { byPeer, networks, refused };

  const refusal = refusalRules(input);
  const taken = new NetworkSet();
  const takenBy = (network: Cidr): string | null => (taken.overlaps(network) ? "another peer has it" : null);
  let judged = 0;
  for (const peer of advertisers.sort(connectedThenKey(input.nowMs))) {
    const accepted: Cidr[] = [];
    for (const network of new Set(peer.networks)) {
      judged += 1;
      const reason =
        judged > MAX_NETWORKS ? "there are too many networks" : (refusal(peer, network) ?? takenBy(network));
      if (reason === null) accepted.push(network);
      else refused.push({ publicKey: peer.publicKey, network, reason });
    }
    // Entered after all were judged, so that one peer's nested networks do not exclude each other.
    for (const network of accepted) taken.add(network);
    if (accepted.length > 0) byPeer.set(peer.publicKey, accepted);
    networks.push(...accepted);
  }
  return { byPeer, networks, refused };
}

/** The reason to refuse a network whoever else advertises it, or null. */
function refusalRules(input: RoutePolicyInput): (peer: Peer, network: Cidr) => string | null {
  const special = new NetworkSet(SPECIAL_NETWORKS);
  const mesh = new NetworkSet(input.meshNetworks);
  const own = new NetworkSet(input.ownNetworks);
  const underlay = new NetworkSet(input.underlayNetworks);
  const listed = typeof input.policy === "string" ? null : new NetworkSet(input.policy);
  return (peer, network) => {
    if (input.policy === "none") return "no routes are accepted";
    if (network.endsWith("/0")) return "a default route is never accepted";
    if (!input.ipv6 && network.includes(":")) return "IPv6 is off";
    if (special.overlaps(network)) return "it is a reserved network";
    if (mesh.overlaps(network)) return "it overlaps the mesh";
    if (own.overlaps(network)) return "it overlaps one this node advertises";
    if (underlay.overlaps(network)) return "it overlaps one this host is connected to";
    if (holdsEndpoint(network, peer)) return "the peer's own endpoint lies in it";
    if (listed !== null && !listed.covers(network)) return "it is outside --accept-routes";
    return null;
  };
}

/** The tunnel's packets would be sent into the tunnel. */
function holdsEndpoint(network: Cidr, peer: Peer): boolean {
  const ip = peer.endpoint === null ? null : parseIp(peer.endpoint.host);
  return ip !== null && new NetworkSet([network]).covers(ip);
}

function connectedThenKey(nowMs: number): (a: Peer, b: Peer) => number {
  return (a, b) => {
    const order =
      Number(isConnected(b.lastHandshakeMs, nowMs)) - Number(isConnected(a.lastHandshakeMs, nowMs));
    return order !== 0 ? order : a.publicKey < b.publicKey ? -1 : 1;
  };
}
