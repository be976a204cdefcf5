/**
 * Values that are checked once, where they enter, and trusted everywhere else.
 */

import { isIPv4, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";
import { WgmeshError } from "./errors.ts";
import { ReadTexts, sameText } from "./texts.ts";

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Canonical base64 (44 characters) of a 32-byte WireGuard public key: one text per key (weak point 16). */
export type PublicKey = Brand<string, "PublicKey">;
/** A link name: a letter, then letters, digits, `_`, `-`; at most 15 bytes (PROTOCOL.md section 16). */
export type InterfaceName = Brand<string, "InterfaceName">;
/** A network in canonical text, host bits cleared: `192.168.1.0/24`, `fd00::/64`. */
export type Cidr = Brand<string, "Cidr">;
/** An IP address in canonical text (RFC 5952 for IPv6, IPv4-mapped ones as IPv4). */
export type IpAddress = Brand<string, "IpAddress">;

/** Where a UDP socket listens. `host` is an IP literal, or a name where DNS is allowed. */
export interface Endpoint {
  readonly host: string;
  /** 1..65535 */
  readonly port: number;
}

/** Canonical key text, or null when `text` is not standard base64 (CR and LF allowed, as the Go peer) of 32 bytes. */
export function parsePublicKey(text: string): PublicKey | null {
  const known = publicKeys.get(text);
  if (known !== undefined) return known;
  const compact = text.replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]{43}=$/.test(compact)) return null;
  return publicKeys.set(text, Buffer.from(compact, "base64").toString("base64") as PublicKey);
}

const publicKeys = new ReadTexts<PublicKey>();

export function parseInterfaceName(text: string): InterfaceName {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,14}$/.test(text)) {
    throw new WgmeshError("ERR_INTERFACE_NAME", `interface name ${JSON.stringify(text)} is not usable`);
  }
  return text as InterfaceName;
}

/** A port from text or a number; `what` names it in the error. */
export function parsePort(text: string | number, what: string): number {
  const port = typeof text === "number" ? text : /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new WgmeshError("ERR_PORT", `${what} ${JSON.stringify(text)} is not a port`);
  }
  return port;
}

const ipAddresses = new ReadTexts<IpAddress>();

/** Canonical address text, or null. Zones, leading zeros and IPv4 shorthands are refused. */
export function parseIp(text: string): IpAddress | null {
  const known = ipAddresses.get(text);
  if (known !== undefined) return known;
  if (isIPv4(text)) return ipAddresses.set(text, sameText(text) as IpAddress);
  if (!isIPv6(text) || text.includes("%")) return null;
  const parsed = ipaddr.IPv6.parse(text);
  const canonical = parsed.isIPv4MappedAddress()
    ? parsed.toIPv4Address().toString()
    : parsed.toRFC5952String();
  return ipAddresses.set(text, canonical as IpAddress);
}

/** Whether the host of a checked endpoint is an IP address and not a name: a look, no parsing, for those who ask of thousands. */
export function isLiteral({ host }: Endpoint): boolean {
  return host.includes(":") || isIPv4(host);
}

/** Canonical network text with host bits cleared, or null. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const [, host, prefixText] = match ?? [];
  if (host === undefined || prefixText === undefined || (prefixText.length > 1 && prefixText.startsWith("0")))
    return null;
  const prefix = Number(prefixText);
  const v4 = isIPv4(host);
  if (!v4 && (!isIPv6(host) || host.includes("%"))) return null;
  if (prefix > (v4 ? 32 : 128)) return null;
  const network = v4
    ? ipaddr.IPv4.networkAddressFromCIDR(text).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(text).toRFC5952String();
  return `${network}/${prefix}` as Cidr;
}

/** `host:port` or `[v6]:port`, or null. The host is an IP literal or a DNS name; it may not be empty. */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  if (!match) return null;
  const [, v6, name, portText] = match;
  const port = Number(portText);
  if (port < 1 || port > 65535) return null;
  if (v6 !== undefined) {
    const ip = parseIp(v6);
    return ip === null ? null : { host: ip, port };
  }
  if (name === undefined) return null;
  const looksNumeric = /^[\d.]+$/.test(name);
  if (looksNumeric ? !isIPv4(name) : !/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/.test(name)) return null;
  return { host: name, port };
}

/** The text form of an endpoint, brackets around IPv6. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}
