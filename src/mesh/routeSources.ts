/**
 * Which address packets go out from that follow routes of ours. The kernel takes the first one of the interface, which after a move to a new secret
 * is the former mesh address: peers that were restarted since do not take it any more (row E7). Pure.
 */

/** Null leaves the choice to the kernel. */
export interface RouteSources {
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

export const NO_SOURCES: RouteSources = { ipv4: null, ipv6: null };

/** @param addresses our mesh addresses; of several of one family the first is the present one. */
export function routeSources(addresses: readonly { readonly address: string }[]): RouteSources {
  const presentOf = (ipv6: boolean): string | null => {
    const [present, former] = addresses.filter(({ address }) => address.includes(":") === ipv6);
    return present === undefined || former === undefined ? null : present.address;
  };
  return { ipv4: presentOf(false), ipv6: presentOf(true) };
}

export const sourceTo = (destination: string, { ipv4, ipv6 }: RouteSources): string | null =>
  destination.includes(":") ? ipv6 : ipv4;
