/** What follows from the secret (PROTOCOL.md section 2), computed in the addon. */
import { Membership, type MeshSecret } from "@wgmesh/native";
import { type Cidr, type PublicKey, parseCidr } from "../core/types.ts";

export type { Membership, MeshSecret };

/** Mesh addresses of keys; satisfies the `AddressDerivation` of peers/. */
export interface MeshAddresses {
  meshIpv4(publicKey: PublicKey, nonce: number): string;
  meshIpv6(publicKey: PublicKey): string;
  readonly meshSubnet: Cidr;
  readonly meshIpv6Prefix: Cidr;
}

/** @param operatorSubnet `--mesh-subnet`; null for the network that follows from the secret. */
export function meshAddresses(secret: MeshSecret, operatorSubnet: Cidr | null): MeshAddresses {
  const parameters = secret.parameters();
  return {
    meshSubnet: operatorSubnet ?? canonical(parameters.meshSubnet),
    meshIpv6Prefix: canonical(parameters.meshIpv6Prefix),
    meshIpv4: (publicKey, nonce) =>
      operatorSubnet === null
        ? secret.meshIpv4(publicKey, nonce)
        : secret.meshIpv4In(publicKey, operatorSubnet, nonce),
    meshIpv6: (publicKey) => secret.meshIpv6(publicKey),
  };
}

/** What its members sign (PROTOCOL.md section 13). */
export function membershipOf(secret: MeshSecret): Membership {
  return new Membership(secret);
}

function canonical(text: string): Cidr {
  const network = parseCidr(text);
  if (network === null) throw new TypeError(`the addon derived ${text}, which is no network`);
  return network;
}
