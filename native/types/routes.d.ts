/** A route of the main table. */
export interface Route {
  /** Network in canonical text; the default route is `0.0.0.0/0` or `::/0`. */
  destination: string;
  /** Null for what is on the link itself. */
  gateway: string | null;
  /** Null for a blackhole and the like. */
  linkName: string | null;
  /** Routing table; 254 is main. */
  table: number;
  /** Who made it (rtnetlink RTPROT): 2 the kernel, 3 boot, 4 static, … */
  protocol: number;
  /** Lower wins. */
  metric: number;
  /** The address packets go out from, unless their socket has one; null where the kernel chooses. Always null on macOS. */
  source: string | null;
  /** `unicast`, `blackhole`, `unreachable`, `prohibit`, … or the number of another. */
  type: string;
}

/** What the kernel would do with a packet to an address. */
export interface RouteLookup {
  /** The entry that decides, in canonical text: `0.0.0.0/0` or `::/0` when it is the default route. */
  destination: string;
  /** Null when the address is on the link. */
  gateway: string | null;
  /** The kernel's number of the link. */
  linkIndex: number;
  /** The link the packet leaves by. */
  linkName: string;
  /** The address packets go out from, unless their socket has one. */
  source: string | null;
  /** Bytes: the route's own MTU, or one learned of the path, where there is one below the link's; else the link's. */
  mtu: number;
  /** Routing table; 254 is main. */
  table: number;
  /** `unicast`, `local` (an address of this host), `broadcast`, `multicast`, … or the number of another. */
  type: string;
}

/** For {@link routeAdd} and {@link routeDelete}. */
export interface RouteOptions {
  /** Lower wins; 0, the default, is the kernel's own (1024 for IPv6). */
  metric?: number;
  /** An address of the destination's family that is reachable on the link. */
  gateway?: string;
  /** An address of this host, of the destination's family, that packets go out from; left out, the kernel chooses. Not used on macOS. */
  source?: string;
  /** Who makes it, 1..255: {@link ROUTE_PROTOCOL} when left out. A program beside wgmesh should have a number of its own. */
  protocol?: number;
}

/** The RTPROT number of routes whose maker does not say otherwise. */
export const ROUTE_PROTOCOL: 111;

/**
 * Routes of the main table, or those out of one link; one with several next hops is listed once for each. Linux, macOS. About 1 ms for each
 * 500. Errors: `ENODEV`, `EINVAL` for what no link can be called.
 */
export function routeList(linkName?: string): Route[];

/**
 * Looks up the way that packets to an IP address take, through the host's policy rules; nothing is sent. Linux, macOS. About 0.1 ms.
 *
 * @param fwmark - The firewall mark of the packets; {@link UNDERLAY_MARK} when left out. macOS has none.
 *
 * @returns Null when there is none: unreachable, prohibited, a blackhole, or the host is without that family.
 *
 * Errors: `EINVAL` for what is no address.
 */
export function routeGet(destination: string, fwmark?: number): RouteLookup | null;

/**
 * Adds a unicast route out of the link to the main table; host bits of the destination are cleared. No error when the very same one
 * is there; one that differs in its source alone gets this one, without a moment in which there is none. Linux with CAP_NET_ADMIN, macOS as root.
 *
 * @param options - A number is the metric.
 *
 * Errors: `EPERM`, `ENODEV`, `EINVAL` (also for a source that is no address of this host), `EEXIST` (another route has this destination and metric; the message names its protocol),
 * `ENETUNREACH` (no way to the gateway), `ENETDOWN` (the link is down).
 */
export function routeAdd(destination: string, linkName: string, options?: number | RouteOptions): void;

/**
 * Removes a route of that protocol, link, destination and metric (and gateway, when one is named; any metric with 0), whatever its source; others stay.
 * No error when it is gone already. Linux with CAP_NET_ADMIN, macOS as root. Errors: `EPERM`, `EINVAL`.
 */
export function routeDelete(destination: string, linkName: string, options?: number | RouteOptions): void;
