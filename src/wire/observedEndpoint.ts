import { ipKind } from "../core/ipKind.ts";
import { type IpAddress, parseIp } from "../core/types.ts";
import { splitHostPort } from "./hostPort.ts";

/**
 * The own external address after a REPLY that carried `observed` (PROTOCOL.md section 5.2), or null to keep `current`.
 * The port told is that of the control socket's mapping and says nothing about WireGuard's, so it is dropped.
 *
 * Unlike the Go peer, only addresses others can reach are taken: 0.0.0.0, multicast and 100.64.0.0/10 (a carrier's NAT)
 * would be announced to everybody and work for nobody (weak point 9). A global IPv6 address is not given up for an
 * IPv4 one.
 */
export function adoptObserved(
  observed: string,
  current: IpAddress | null,
  noIpv6: boolean,
): IpAddress | null {
  const parts = splitHostPort(observed);
  const host = parts === null ? null : parseIp(parts.host);
  if (host === null || ipKind(host) !== "global") return null;
  const isIpv6 = host.includes(":");
  if (isIpv6 && noIpv6) return null;
  const keepsIpv6 = current?.includes(":") && ipKind(current) === "global";
  return keepsIpv6 && !isIpv6 ? null : host;
}
