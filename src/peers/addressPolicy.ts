/**
 * Which claimed mesh addresses count (row D10). The Go peer believes any claim, so any member can draw the traffic of
 * another (weak point 4). Here an address counts when it follows from the key, or when the owner of the key was the
 * first to claim it inside the mesh's network. A refused claim costs the address, never the peer.
 */
import { ipKind, isInCidr } from "../core/ipKind.ts";
import type { Cidr, IpAddress, PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "./addresses.ts";
import { MAX_GO_NONCE, MAX_NONCE, nonceOf } from "./derivedAddresses.ts";

export interface AddressRules {
  readonly addresses: AddressDerivation;
  /** `--strict-addresses`: derived ones only. */
  readonly strict: boolean;
  /** `--no-ipv6` */
  readonly noIpv6: boolean;
}

/** Who has the claimed address now. */
export interface AddressHolder {
  readonly publicKey: PublicKey;
  /** False lets another key take the address over. */
  readonly live: boolean;
}

export interface AddressClaim {
  readonly publicKey: PublicKey;
  readonly address: IpAddress;
  readonly family: "ipv4" | "ipv6";
  /** The claim is about this node's own address. */
  readonly isOwn: boolean;
  /** Made by the owner of the key, or kept from an accepted one. A third party cannot pin. */
  readonly canPin: boolean;
  /** The key has another address, in use through a tunnel that works, and has not proved this claim. */
  readonly inUse?: boolean;
  /** Another key that has this address. */
  readonly holder: AddressHolder | null;
}

/** True when the claim counts. A holder, if any, then loses the address. */
export function acceptsAddress(claim: AddressClaim, rules: AddressRules): boolean {
  const { address, family, holder } = claim;
  if (address.includes(":") !== (family === "ipv6") || (family === "ipv6" && rules.noIpv6)) return false;
  if (claim.isOwn || !isUnicast(address)) return false;
  if (isDerived(claim, claim.publicKey, rules, claim.inUse === true ? MAX_GO_NONCE : MAX_NONCE)) {
    // Two keys may derive one address: the first keeps it while it lives. A mere pin gives way to the derivation, or
    // anybody could occupy the address of a key that is not there yet.
    return holder === null || !holder.live || !isDerived(claim, holder.publicKey, rules);
  }
  if (rules.strict || !claim.canPin || holder?.live) return false;
  const { meshSubnet, meshIpv6Prefix } = rules.addresses;
  return isHostAddress(address, family === "ipv4" ? meshSubnet : meshIpv6Prefix);
}

function isDerived(
  { address }: AddressClaim,
  publicKey: PublicKey,
  { addresses }: AddressRules,
  maxNonce = MAX_NONCE,
): boolean {
  return nonceOf(addresses, publicKey, address, maxNonce) !== null;
}

function isUnicast(address: IpAddress): boolean {
  const kind = ipKind(address);
  return kind !== "unspecified" && kind !== "loopback" && kind !== "multicast";
}

/** Inside the network, and neither its first address nor (IPv4) its last one. */
function isHostAddress(address: IpAddress, network: Cidr): boolean {
  if (!isInCidr(address, network)) return false;
  const [first = "", prefix = ""] = network.split("/");
  if (address === first) return false;
  if (address.includes(":")) return true;
  const toNumber = (ip: string): number => ip.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return toNumber(address) !== toNumber(first) + 2 ** (32 - Number(prefix)) - 1;
}
