/**
 * Which of the networks that peers advertise are taken, and from whom (row E3). Pure.
 */
import { type Cidr, type PublicKey, parseIp } from "../core/types.ts";
import type { Peer } from "../peers/peer.ts";
import { type Claim, claimsInOrder, type Preference } from "./claims.ts";
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
  /** Who comes first of those who advertise the same. */
  readonly preference: Preference;
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
  /** Who has each. */
  readonly holders: ReadonlyMap<Cidr, PublicKey>;
  /** Peers that have a network which others would take over, or part of it. */
  readonly replaceable: ReadonlySet<PublicKey>;
}

/**
 * How many networks are judged, and so routed at most. A member of the mesh can make up a thousand peers with a hundred
 * networks each; those of connected peers come first.
 */
const MAX_NETWORKS = 2_000;

/** Loopback, link-local and multicast: never behind a router. */
const SPECIAL_NETWORKS = new NetworkSet([
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
]);

/**
 * Decides for all peers at once. A network that several advertise, or that overlaps another's, goes to one of them, in the
 * order of claims.ts. One peer's nested networks do not exclude each other.
 */
export function acceptNetworks(input: RoutePolicyInput): AcceptedNetworks {
  const byPeer = new Map<PublicKey, Cidr[]>();
  const holders = new Map<Cidr, PublicKey>();
  const refused: RefusedNetwork[] = [];
  const rivals: Claim[] = [];
  const advertisers = input.peers.filter((peer) => peer.networks.length > 0);
  if (advertisers.length === 0) return { byPeer, networks: [], refused, holders, replaceable: new Set() };

  const refusal = refusalRules(input);
  const taken = new NetworkSet();
  const ownOf = new Map<PublicKey, NetworkSet>();
  let judged = 0;
  for (const claim of claimsInOrder(advertisers, input.preference, input.nowMs)) {
    const { peer, network } = claim;
    const { publicKey } = peer;
    judged += 1;
    const unfit = judged > MAX_NETWORKS ? "there are too many networks" : refusal(peer, network);
    const own = ownOf.get(publicKey) ?? new NetworkSet();
    const isTaken = unfit === null && taken.countOverlapping(network) > own.countOverlapping(network);
    if (isTaken) rivals.push(claim);
    if (unfit !== null || isTaken) {
      refused.push({ publicKey, network, reason: unfit ?? "another peer has it" });
      continue;
    }
    taken.add(network);
    ownOf.set(publicKey, own);
    own.add(network);
    holders.set(network, publicKey);
    const list = byPeer.get(publicKey);
    if (list === undefined) byPeer.set(publicKey, [network]);
    else list.push(network);
  }
  const contested = new NetworkSet(rivals.map(({ network }) => network));
  const replaceable = new Set(
    [...holders].filter(([network]) => contested.overlaps(network)).map(([, key]) => key),
  );
  return { byPeer, networks: [...holders.keys()], refused, holders, replaceable };
}

/** The reason to refuse a network whoever else advertises it, or null. */
function refusalRules(input: RoutePolicyInput): (peer: Peer, network: Cidr) => string | null {
  const mesh = new NetworkSet(input.meshNetworks);
  const own = new NetworkSet(input.ownNetworks);
  const underlay = new NetworkSet(input.underlayNetworks);
  const listed = typeof input.policy === "string" ? null : new NetworkSet(input.policy);
  return (peer, network) => {
    if (input.policy === "none") return "no routes are accepted";
    if (network.endsWith("/0")) return "a default route is never accepted";
    if (!input.ipv6 && network.includes(":")) return "IPv6 is off";
    if (SPECIAL_NETWORKS.overlaps(network)) return "it is a reserved network";
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
