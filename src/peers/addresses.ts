import type { Cidr, PublicKey } from "../core/types.ts";

/** Addresses that follow from a key (row D10, PROTOCOL.md sections 2.1 to 2.4), computed in the addon. */
export interface AddressDerivation {
  /** Nonce 0 is the normal address, 1 the collision one. */
  meshIpv4(publicKey: PublicKey, nonce: number): string;
  meshIpv6(publicKey: PublicKey): string;
  /** The IPv4 network all mesh addresses lie in (derived, or `--mesh-subnet`). */
  readonly meshSubnet: Cidr;
  /** The IPv6 /64 all mesh addresses lie in. */
  readonly meshIpv6Prefix: Cidr;
}
