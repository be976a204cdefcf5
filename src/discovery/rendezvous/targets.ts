/**
 * Where a peer's WireGuard may be, and which part each side plays. Pure.
 */
import { ipKind } from "../../core/ipKind.ts";
import { type Endpoint, endpointText, parseIp } from "../../core/types.ts";
import type { NatType, Peer } from "../../peers/peer.ts";
import type { Underlay } from "../seams.ts";
import type { AttemptPlan, Role } from "./attempt.ts";

/** Datagrams of one attempt go to so many addresses, not counting those the peer's own probes come from. */
const MAX_TARGETS = 12;
/** Symmetric NATs that count give the next ports to the next flows; more than these pass by with other traffic. */
const PREDICTED_PORTS = 10;
const MAX_PREDICTED = 20;

export interface Introduced {
  readonly wireguardCandidates: readonly Endpoint[];
  readonly natType: NatType;
  /** How much later this side is to begin. */
  readonly delayMs: number;
}

/** Which side of the two sends first; `unknown` where they did not agree. */
export type Turn = "first" | "second" | "unknown";

export interface TargetInput {
  readonly peer: Peer;
  /** What an introducer told of it just now; newer than the peer's own word to us. */
  readonly introduced: Introduced | null;
  readonly ownNatType: NatType;
  /** Addresses of this node's own WireGuard. */
  readonly own: readonly Endpoint[];
  readonly turn: Turn;
  /** Whether this side can open many sockets. */
  readonly canWiden: boolean;
  /** False for addresses that datagrams must not go to. */
  readonly isAllowed: (host: string) => boolean;
}

export type Targets = Pick<AttemptPlan, "role" | "candidates" | "predicted" | "sprayHost" | "wideTo">;

export function targetsOf(input: TargetInput): Targets {
  const { peer, introduced, isAllowed } = input;
  const own = new Set(input.own.map(endpointText));
  const candidates = distinct([
    ...(introduced?.wireguardCandidates ?? []),
    ...peer.candidates,
    ...besides(peer),
  ])
    .filter((endpoint) => isAllowed(endpoint.host) && !own.has(endpointText(endpoint)))
    .slice(0, MAX_TARGETS);
  const role = roleOf(input.ownNatType, introduced?.natType || peer.natType);
  const external = candidates.filter(isExternalIpv4);
  const [first] = external;
  const { sprays, widens } = birthdayParts(role, input.turn);
  return {
    role,
    candidates,
    predicted: role === "spray" ? predictedPorts(external) : [],
    sprayHost: sprays ? (first?.host ?? null) : null,
    wideTo: widens && input.canWiden ? (first ?? null) : null,
  };
}

/**
 * Some routers give a mapping away to a packet that comes before their own side's (kind I of docs/nat.md). Whoever sent second may be
 * behind one: then its port towards the first has changed, as behind a symmetric NAT.
 */
function birthdayParts(role: Role, turn: Turn): { readonly sprays: boolean; readonly widens: boolean } {
  const plain = role === "plain";
  return {
    sprays: role === "spray" || (plain && turn === "first"),
    widens: role === "wide" || (plain && turn === "second"),
  };
}

/** `ours` is this side's NAT type. Unknown ones are tried as cones. */
function roleOf(ours: NatType, theirs: NatType): Role {
  if (ours === "symmetric") return theirs === "symmetric" ? "hopeless" : "wide";
  return theirs === "symmetric" ? "spray" : "plain";
}

/** The endpoint the store keeps, and the place its control socket was heard from with that port. */
function besides({ endpoint, controlEndpoint }: Peer): Endpoint[] {
  if (endpoint === null) return [];
  return controlEndpoint === null
    ? [endpoint]
    : [endpoint, { host: controlEndpoint.host, port: endpoint.port }];
}

function predictedPorts(external: readonly Endpoint[]): Endpoint[] {
  const ports = external.flatMap(({ host, port }) =>
    Array.from({ length: PREDICTED_PORTS }, (_, index) => ({ host, port: port + 1 + index })),
  );
  return ports.filter(({ port }) => port <= 65_535).slice(0, MAX_PREDICTED);
}

function isExternalIpv4({ host }: Endpoint): boolean {
  const ip = parseIp(host);
  if (ip === null || ip.includes(":")) return false;
  const kind = ipKind(ip);
  return kind === "global" || kind === "carrierNat";
}

function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}

/** Never into the mesh, nor into networks of members unless this host is in them itself. */
export function isAllowedHost(host: string, underlay: Underlay, noIpv6: boolean): boolean {
  if (noIpv6 && host.includes(":")) return false;
  const ip = parseIp(host);
  if (ip === null || underlay.isInsideMesh(ip)) return false;
  // Only private ones: a member that advertises the whole Internet must not end all punching.
  const isPrivate = ipKind(ip) === "private" || ipKind(ip) === "carrierNat";
  return !isPrivate || !underlay.isElsewhere(ip);
}

/** Go nodes prove nothing and tell no candidates. */
export function isOurs(peer: Peer): boolean {
  return peer.proven || peer.candidates.length > 0;
}

/** Ports left out: a symmetric NAT changes them all the time. */
export function hostsOf(peer: Peer | null): string {
  return [...new Set(peer?.candidates.map(({ host }) => host))].sort().join(" ");
}
