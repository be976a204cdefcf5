/**
 * What the answers of several servers to one socket say together (RFC 4787 section 4.1, RFC 5780 section 4.3). Pure.
 */
import { type Endpoint, endpointText } from "../../core/types.ts";
import type { NatType } from "../../peers/peer.ts";

/** What one server, asked from one socket, saw. */
export interface Sight {
  readonly server: Endpoint;
  readonly mapped: Endpoint;
}

/**
 * How the socket's address looks from outside. `none`: as it is, there is no NAT. `independent`: the same to everybody, which
 * others call a cone. `dependent`: another to each, which others call symmetric. `unknown`: only one server answered.
 */
export type Mapping = "none" | "independent" | "dependent" | "unknown";

export interface Verdict {
  readonly mapping: Mapping;
  /** With `dependent` the newest of those seen, whose port is good for that server alone. */
  readonly mapped: Endpoint;
}

/** What STUN found for one socket. */
export interface SocketVerdicts {
  readonly ipv4: Verdict | null;
  readonly ipv6: Verdict | null;
}

/** What STUN knows after a round of questions, or in the middle of one. */
export interface StunFindings {
  /** Null where WireGuard's own port cannot be asked from. */
  readonly wireguard: SocketVerdicts | null;
  readonly control: SocketVerdicts;
}

/**
 * Null without sights. An address counts when two servers agree on it, or when only one answered; servers at one IP address are
 * one server, since a NAT may tell them apart by nothing.
 *
 * @param sights of one socket and one family, in the order of their coming.
 * @param isOwn whether the socket itself has that address and port.
 */
export function judge(sights: readonly Sight[], isOwn: (mapped: Endpoint) => boolean): Verdict | null {
  const newest = sights.at(-1);
  if (newest === undefined) return null;
  const own = sights.find(({ mapped }) => isOwn(mapped));
  if (own !== undefined) return { mapping: "none", mapped: own.mapped };
  const agreed = mostTold(sights, endpointText);
  if (agreed.tellers >= 2) return { mapping: "independent", mapped: agreed.newest };
  const differ = sights.some(({ mapped }) => endpointText(mapped) !== endpointText(newest.mapped));
  if (!differ) return { mapping: "unknown", mapped: newest.mapped };
  return { mapping: "dependent", mapped: mostTold(sights, ({ host }) => host).newest };
}

interface Told {
  readonly tellers: Set<string>;
  newest: Endpoint;
}

/** What most servers told, of equal ones the first. `sights` is not empty. */
function mostTold(
  sights: readonly Sight[],
  of: (mapped: Endpoint) => string,
): { readonly tellers: number; readonly newest: Endpoint } {
  const groups = new Map<string, Told>();
  for (const { server, mapped } of sights) {
    const group = groups.get(of(mapped)) ?? { tellers: new Set<string>(), newest: mapped };
    group.tellers.add(server.host);
    group.newest = mapped;
    groups.set(of(mapped), group);
  }
  const [best] = [...groups.values()].sort((a, b) => b.tellers.size - a.tellers.size);
  const { tellers, newest } = best as Told;
  return { tellers: tellers.size, newest };
}

/** In the words of the wire (PROTOCOL.md section 4.1). */
export function natTypeOf(mapping: Mapping | undefined): NatType {
  switch (mapping) {
    case "none":
    case "independent":
      return "cone";
    case "dependent":
      return "symmetric";
    default:
      return "unknown";
  }
}
