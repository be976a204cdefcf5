/**
 * Where a device outside of the mesh reaches this node's WireGuard, for the configuration of a client. Pure.
 */
import { ipKind } from "../core/ipKind.ts";
import { type IpAddress, parseIp } from "../core/types.ts";
import { ipv6EndpointScore } from "../discovery/ownAddressRules.ts";
import type { LocalNodeSnapshot } from "../peers/localNode.ts";
import type { ClientEndpoint } from "../rpc/views/clients.ts";

export interface GatewayPlace {
  readonly own: Pick<LocalNodeSnapshot, "wireguardPort" | "externalHost" | "externalWireguardPort">;
  /** `--advertise-endpoint`; port null for WireGuard's own. */
  readonly advertised: { readonly host: IpAddress; readonly port: number | null } | null;
  /** Of the host's links, tunnels and loopback left out. */
  readonly linkAddresses: readonly string[];
  /** Those that packets to the Internet go out from: of several links the one that leads there. */
  readonly usual: readonly string[];
}

/** What the operator says, else what is known from outside, else an address of a link; null without any. */
export function gatewayEndpoint({ own, advertised, ...place }: GatewayPlace): ClientEndpoint | null {
  const port = own.wireguardPort;
  if (advertised !== null) {
    return { endpoint: { host: advertised.host, port: advertised.port ?? port }, source: "advertised" };
  }
  const links = inOrder(place);
  const external = own.externalHost;
  if (external !== null && ipKind(external) === "global") {
    if (links.includes(external)) return { endpoint: { host: external, port }, source: "public" };
    return { endpoint: { host: external, port: own.externalWireguardPort ?? port }, source: "nat" };
  }
  const reached = links.find(isPublic);
  if (reached !== undefined) return { endpoint: { host: reached, port }, source: "public" };
  const host = links.find((ip) => ["private", "carrierNat"].includes(ipKind(ip)));
  return host === undefined ? null : { endpoint: { host, port }, source: "lan" };
}

/** Those of the usual link first; IPv4 before IPv6, which not every network has. */
function inOrder({ linkAddresses, usual }: Pick<GatewayPlace, "linkAddresses" | "usual">): IpAddress[] {
  const rank = (ip: IpAddress): number => (ip.includes(":") ? 2 : 0) + (usual.includes(ip) ? 0 : 1);
  return linkAddresses
    .map(parseIp)
    .filter((ip) => ip !== null)
    .sort((a, b) => rank(a) - rank(b));
}

const isPublic = (ip: IpAddress): boolean =>
  ip.includes(":") ? ipv6EndpointScore(ip) !== null : ipKind(ip) === "global";
