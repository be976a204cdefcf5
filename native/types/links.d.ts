/** A network interface of the process's network namespace. */
export interface Link {
  /** The kernel's number of it. */
  index: number;
  /** At most 15 bytes. */
  name: string;
  /** `wireguard`, `tun`, `veth`, `bridge`, … or "" for hardware. */
  kind: string;
  /** Bytes. */
  mtu: number;
  /** Whether it is meant to be up. */
  up: boolean;
  /** Carrier present. */
  running: boolean;
  /** True for `lo`. */
  loopback: boolean;
  /** Whether it takes multicast. */
  multicast: boolean;
  /** Whether it has one other end. */
  pointToPoint: boolean;
}

/** The kinds of link that {@link linkCreate} makes. */
export type LinkKind = "wireguard" | "veth" | "dummy" | "bridge";

/** For {@link linkCreate}. */
export interface LinkOptions {
  /** Bytes, 576..65535. The kind's own default when it is left out (WireGuard 1420, the others 1500). */
  mtu?: number;
  /** Name of the other end; for `veth`, which needs one, and for no other kind. */
  peer?: string;
}

/** The link of that name, or null. Linux, macOS. Errors: `EINVAL` for what no link can be called. */
export function linkGet(name: string): Link | null;

/** All links. Linux, macOS. About 1 ms for each 100. */
export function linkList(): Link[];

/**
 * Makes a link, down and without addresses. Linux alone, with CAP_NET_ADMIN; the kernel loads the module of the kind when it has one. A
 * WireGuard link is better made by {@link WireGuardDevice.open}, which can also do without the module. Creating takes some
 * milliseconds.
 *
 * @param name - A letter, then letters, digits, `_` or `-`, at most 15 in all.
 *
 * Errors: `EPERM`, `EEXIST` (the name is taken), `EOPNOTSUPP` (a kernel without that kind), `EINVAL`.
 */
export function linkCreate(name: string, kind: LinkKind, options?: LinkOptions): void;

/** Sets the link up; no error when it is. Linux with CAP_NET_ADMIN, macOS as root. Errors: `EPERM`, `ENODEV`, `EADDRINUSE` (WireGuard's port is taken). */
export function linkSetUp(name: string): void;

/** Sets the link down, which drops its routes, and its IPv6 addresses; no error when it is. Linux with CAP_NET_ADMIN, macOS as root. Errors: `EPERM`, `ENODEV`. */
export function linkSetDown(name: string): void;

/** Sets the MTU, 576..65535 bytes. Linux with CAP_NET_ADMIN, macOS as root. Errors: `EPERM`, `ENODEV`, `EINVAL` (also for one the link cannot have). */
export function linkSetMtu(name: string, mtu: number): void;

/**
 * Removes the link, whoever made it. Linux with CAP_NET_ADMIN, macOS as root. Takes up to 0.1 s, and 15 s for a WireGuard link that still has 1,000
 * peers: {@link WireGuardDevice.close} takes those away first. Errors: `EPERM`, `ENODEV`, `EOPNOTSUPP` (hardware).
 */
export function linkDelete(name: string): void;

/** An address of a link. */
export interface Address {
  /** The kernel's number of the link. */
  linkIndex: number;
  /** Name of the link. */
  linkName: string;
  /** Canonical text. */
  address: string;
  /** 0..32 or 0..128. */
  prefixLength: number;
  /** `global`, `link`, `host`, `site`, or the number of another. */
  scope: string;
  /** Duplicate address detection still runs, or failed. */
  tentative: boolean;
}

/** All addresses, or those of one link. Linux, macOS. Errors: `ENODEV`, `EINVAL` for what no link can be called. */
export function addressList(linkName?: string): Address[];

/**
 * Adds `address/prefix` with its connected route, IPv6 without duplicate address detection, so that it is usable at once. No
 * error when it is there already. Linux with CAP_NET_ADMIN, macOS as root.
 *
 * Errors: `EPERM`, `ENODEV`, `EINVAL`, `EEXIST` (the IPv6 address is there with another prefix).
 */
export function addressAdd(linkName: string, cidr: string): void;

/** Removes `address/prefix`. No error when it, or the link, is gone already. Linux with CAP_NET_ADMIN, macOS as root. Errors: `EPERM`, `EINVAL`. */
export function addressDelete(linkName: string, cidr: string): void;

/** A kind of object that changed. */
export type NetworkChange = "link" | "address" | "route";

/**
 * Tells of changes of links, addresses and routes in the process's network namespace, whoever makes them, 20 ms after the first of a
 * burst, in one call. Linux, macOS; needs no right. It has a thread of its own, and does not keep the process alive.
 */
export class NetworkMonitor {
  /**
   * @param callback - Gets the kinds that changed; all three when so much happened at once that the kernel dropped messages.
   *
   * Errors: `EMFILE` and the like.
   */
  constructor(callback: (kinds: NetworkChange[]) => void);

  /** Ends the thread and joins it; no call comes after this one. Safe to call twice. */
  close(): void;
}
