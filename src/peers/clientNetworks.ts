/**
 * Where the addresses of clients come from: devices that run plain WireGuard and have this node as their gateway. Pure.
 */
import { createHash } from "node:crypto";
import { isInCidr } from "../core/ipKind.ts";
import { type Cidr, type IpAddress, type PublicKey, parseCidr, parseIp } from "../core/types.ts";

export interface ClientNetworks {
  readonly ipv4: Cidr;
  /** Null for a node without mesh IPv6. */
  readonly ipv6: Cidr | null;
}

export interface ClientNetworkInput {
  /** Of the gateway. */
  readonly publicKey: PublicKey;
  /** `--client-network`; null derives it. */
  readonly chosen: Cidr | null;
  /** Networks of the mesh addresses. */
  readonly meshNetworks: readonly Cidr[];
  /** Whether the node has a mesh IPv6 address. */
  readonly ipv6: boolean;
}

const LABEL = "wgmesh client network v1";

/**
 * The networks that follow from a gateway's key, so that it has the same ones after each start and two gateways have different ones: with
 * `h` the SHA-256 of the label, the 32 bytes of the key and a byte that counts from 0, IPv4 is `10.h[0].h[1].0/24` and IPv6 is `fd`
 * and the bytes `h[2]` to `h[8]`, a /64. The count goes up until neither overlaps the mesh, which has one /16 of 10.0.0.0/8.
 */
export function clientNetworks({
  publicKey,
  chosen,
  meshNetworks,
  ipv6,
}: ClientNetworkInput): ClientNetworks {
  const isFree = (network: Cidr): boolean => !meshNetworks.some((other) => overlap(network, other));
  for (let count = 0; count < 256; count += 1) {
    const hash = createHash("sha256")
      .update(LABEL)
      .update(Buffer.from(publicKey, "base64"))
      .update(Uint8Array.of(count))
      .digest();
    const derived = canonical(`10.${hash[0]}.${hash[1]}.0/24`);
    const groups = `fd${hash.toString("hex", 2, 9)}`.replace(/(.{4})(?=.)/g, "$1:");
    const long = canonical(`${groups}::/64`);
    if ((chosen === null && !isFree(derived)) || !isFree(long)) continue;
    return { ipv4: chosen ?? derived, ipv6: ipv6 ? long : null };
  }
  // A mesh of all of 10.0.0.0/8, by --mesh-subnet: a network that hosts rarely have (RFC 2544), which the operator may replace.
  return { ipv4: chosen ?? canonical("198.19.250.0/24"), ipv6: null };
}

/** Whether the two have an address in common. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return isInCidr(firstOf(a), b) || isInCidr(firstOf(b), a);
}

/**
 * Host `number` of both networks, from 1 on; null when the IPv4 network has no such host (its last address is the broadcast one).
 */
export function clientAddresses(
  networks: ClientNetworks,
  number: number,
): { readonly ip: IpAddress; readonly ipv6: IpAddress | null } | null {
  const [first = "", prefix = ""] = networks.ipv4.split("/");
  if (number >= 2 ** (32 - Number(prefix)) - 1) return null;
  const bytes = first.split(".").map(Number);
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0) + number;
  const ip = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".") as IpAddress;
  const long = networks.ipv6 === null ? null : `${firstOf(networks.ipv6)}${number.toString(16)}`;
  return { ip, ipv6: long === null ? null : parseIp(long) };
}

const firstOf = (network: Cidr): IpAddress => network.slice(0, network.indexOf("/")) as IpAddress;

function canonical(text: string): Cidr {
  const network = parseCidr(text);
  if (network === null) throw new TypeError(`${text} is no network`);
  return network;
}
