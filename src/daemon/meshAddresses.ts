/**
 * Which mesh addresses this node has (row B2, PROTOCOL.md sections 2.1 to 2.5). Pure.
 */
import { isInCidr } from "../core/ipKind.ts";
import { type Cidr, type IpAddress, type PublicKey, parseIp } from "../core/types.ts";
import type { AddressDerivation } from "../peers/addresses.ts";

export interface MeshAddressInput {
  readonly publicKey: PublicKey;
  /** As they stand in the state file. */
  readonly pinned: { readonly meshIp: string | null; readonly meshIpv6: string | null };
  readonly derivation: AddressDerivation;
  readonly ipv6: boolean;
}

export interface MeshAddressChoice {
  readonly meshIp: IpAddress;
  readonly meshIpv6: IpAddress | null;
  /** Pinned addresses that could not be kept. */
  readonly replaced: readonly { readonly from: string; readonly to: string }[];
}

/** A pinned address stays while it lies inside the mesh's network; else the derived one takes its place. */
export function chooseMeshAddresses(input: MeshAddressInput): MeshAddressChoice {
  const { publicKey, derivation, pinned } = input;
  const meshIp =
    keptAddress(pinned.meshIp, derivation.meshSubnet) ?? parsed(derivation.meshIpv4(publicKey, 0));
  const meshIpv6 = input.ipv6
    ? (keptAddress(pinned.meshIpv6, derivation.meshIpv6Prefix) ?? parsed(derivation.meshIpv6(publicKey)))
    : null;
  const replaced = [
    { from: pinned.meshIp, to: meshIp },
    { from: pinned.meshIpv6, to: meshIpv6 },
  ].flatMap(({ from, to }) => (from !== null && to !== null && parseIp(from) !== to ? [{ from, to }] : []));
  return { meshIp, meshIpv6, replaced };
}

function keptAddress(pinned: string | null, network: Cidr): IpAddress | null {
  const address = pinned === null ? null : parseIp(pinned);
  return address !== null && isInCidr(address, network) ? address : null;
}

const parsed = (text: string): IpAddress => {
  const address = parseIp(text);
  if (address === null) throw new TypeError(`the derivation gave ${text}, which is no address`);
  return address;
};

/** The address with the prefix length of the mesh's network, as the interface gets it. */
export function interfaceCidr(address: IpAddress, network: Cidr): string {
  return `${address}${network.slice(network.indexOf("/"))}`;
}
