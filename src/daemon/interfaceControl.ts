/**
 * The link of the interface's name through netlink. Each call finds it anew, so that one made again is the one meant.
 */
import ipaddr from "ipaddr.js";
import { parseCidr } from "../core/types.ts";
import type { InterfaceAddress } from "../mesh/interfaceDifference.ts";
import type { InterfaceControl } from "../mesh/interfaceSync.ts";
import * as os from "./os.ts";

/** @param linkName asked at each call, since an interface made again may have another name. */
export function interfaceControl(linkName: () => string): InterfaceControl {
  return {
    link: () => os.linkGet(linkName()),
    addresses: () => os.addressList(linkName()),
    addAddress: (address) => os.addressAdd(linkName(), cidrOf(address)),
    removeAddress: (address) => os.addressDelete(linkName(), cidrOf(address)),
    isRouted: (address) => isRouted(linkName(), address),
    setMtu: (mtu) => os.linkSetMtu(linkName(), mtu),
  };
}

/**
 * One lookup in the common case. Where it finds a less specific way, the link's routes are listed: a rule of the host may
 * send packets elsewhere though the route is there, and then there is nothing to mend.
 */
function isRouted(linkName: string, address: InterfaceAddress): boolean {
  const found = os.routeGet(neighbourOf(address));
  if (found !== null && prefixOf(found.destination) >= address.prefixLength) return true;
  const network = parseCidr(cidrOf(address));
  return os.routeList(linkName).some(({ destination }) => destination === network);
}

/** Another host's address in the same network: neither the network itself nor its broadcast address. */
export function neighbourOf({ address, prefixLength }: InterfaceAddress): string {
  const bytes = ipaddr.parse(address).toByteArray();
  const last = bytes.length - 1;
  const hostBits = bytes.length * 8 - prefixLength;
  for (const change of [1, 2, 3]) {
    const changed = bytes.with(last, (bytes[last] ?? 0) ^ change);
    const host = changed.map((byte, index) => byte & hostMask(index, last, hostBits));
    const isNetwork = host.every((byte) => byte === 0);
    const isBroadcast = host.every((byte, index) => byte === hostMask(index, last, hostBits));
    if (!isNetwork && !isBroadcast) return ipaddr.fromByteArray(changed).toString();
  }
  // A network of one or two addresses has no others.
  return address;
}

/** The bits of byte `index` that belong to the host part. */
function hostMask(index: number, last: number, hostBits: number): number {
  const bits = Math.min(8, Math.max(0, hostBits - (last - index) * 8));
  return 2 ** bits - 1;
}

const cidrOf = ({ address, prefixLength }: InterfaceAddress): string => `${address}/${prefixLength}`;
const prefixOf = (network: string): number => Number(network.slice(network.indexOf("/") + 1));
