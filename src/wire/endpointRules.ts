/**
 * Which WireGuard endpoint is kept for a peer (PROTOCOL.md section 5.1). Where the Go peer keeps any text, wgmesh keeps
 * IP literals with a usable address and a port from 1 to 65535, or nothing:
 *
 * - A DNS name from the network would make every node ask a resolver of the sender's choosing for a name of its
 *   choosing, and would let the answer change after it was judged.
 * - Loopback, multicast and unspecified addresses reach no peer. Link-local ones mean another host on each link: IPv6
 *   ones need a scope, which the wire cannot carry; IPv4 ones are believed as a datagram's source only.
 */
import { type IpKind, ipKind } from "../core/ipKind.ts";
import { ReadTexts } from "../core/texts.ts";
import { type Endpoint, type IpAddress, parseIp } from "../core/types.ts";
import { readPort, splitHostPort } from "./hostPort.ts";

/** WireGuard's port when the sender's own word gives none (PROTOCOL.md section 5.1). */
export const DEFAULT_WIREGUARD_PORT = 51820;

const UNUSABLE: ReadonlySet<IpKind> = new Set<IpKind>([
  "unspecified",
  "loopback",
  "multicast",
  "reserved",
  "linkLocal",
]);

/** *exchange* rule: the advertised endpoint where it is usable, else the source address with the advertised port. */
export function exchangeEndpoint(advertised: string, sourceHost: string): Endpoint | null {
  return readEndpoint(advertised) ?? lanEndpoint(advertised, sourceHost);
}

/**
 * *LAN* rule: the source address with the advertised port, since that is the address that works on this link. `ownPort` is the
 * sender's word on WireGuard's own port, where the advertised one is that of a NAT.
 */
export function lanEndpoint(advertised: string, sourceHost: string, ownPort?: number): Endpoint | null {
  const host = parseIp(sourceHost);
  if (host === null || !isUsableSource(host)) return null;
  const port = ownPort ?? readPort(splitHostPort(advertised)?.port ?? "") ?? DEFAULT_WIREGUARD_PORT;
  return { host, port };
}

/** *transitive* rule: the advertised endpoint where it is usable, else nothing. */
export function transitiveEndpoint(advertised: string): Endpoint | null {
  return readEndpoint(advertised);
}

/** Each message tells those of many peers. */
const endpoints = new ReadTexts<Endpoint>();

function readEndpoint(text: string): Endpoint | null {
  return endpoints.get(text) ?? readNewEndpoint(text);
}

function readNewEndpoint(text: string): Endpoint | null {
  const parts = splitHostPort(text);
  const host = parts === null ? null : parseIp(parts.host);
  const port = parts === null ? null : readPort(parts.port);
  return host === null || port === null || UNUSABLE.has(ipKind(host))
    ? null
    : endpoints.set(text, Object.freeze({ host, port }));
}

function isUsableSource(host: IpAddress): boolean {
  const kind = ipKind(host);
  return !UNUSABLE.has(kind) || (kind === "linkLocal" && !host.includes(":"));
}
