import ipaddr from "ipaddr.js";
import { ipv4Bytes } from "./ipv4.ts";
import type { Cidr, IpAddress } from "./types.ts";

/** What an address is good for. `global` is everything not named by another kind. */
export type IpKind =
  | "unspecified"
  | "loopback"
  | "linkLocal"
  | "multicast"
  | "private"
  /** 100.64.0.0/10 (RFC 6598): a carrier's NAT, unreachable from outside it. */
  | "carrierNat"
  /** 0.0.0.0/8 and 240.0.0.0/4 (broadcast included). */
  | "reserved"
  | "global";

/** The kind of a canonical address. Documentation networks count as global: the test vectors use them so. */
export function ipKind(ip: IpAddress): IpKind {
  return ip.includes(":") ? ipv6Kind(ip) : ipv4Kind(ip);
}

function ipv4Kind(ip: string): IpKind {
  const [a, b] = ipv4Bytes(ip);
  if (ip === "0.0.0.0") return "unspecified";
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "linkLocal";
  if (a >= 224 && a <= 239) return "multicast";
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return "private";
  if (a === 100 && b >= 64 && b <= 127) return "carrierNat";
  return a === 0 || a >= 240 ? "reserved" : "global";
}

function ipv6Kind(ip: string): IpKind {
  if (ip === "::") return "unspecified";
  if (ip === "::1") return "loopback";
  const first = ip.startsWith("::") ? 0 : Number.parseInt(ip, 16);
  if ((first & 0xffc0) === 0xfe80) return "linkLocal";
  if ((first & 0xff00) === 0xff00) return "multicast";
  if ((first & 0xfe00) === 0xfc00) return "private";
  return "global";
}

/** True when the address lies in the network; false too when they are of different families. */
export function isInCidr(ip: IpAddress, cidr: Cidr): boolean {
  const address = ipaddr.parse(ip);
  const [network, prefix] = ipaddr.parseCIDR(cidr);
  if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, prefix);
  return network instanceof ipaddr.IPv6 && address.match(network, prefix);
}
