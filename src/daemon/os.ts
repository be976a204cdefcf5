/**
 * The addon's door to the operating system: links, addresses, routes, locks and notifications, with the addon's errors as
 * WgmeshErrors (the native error is the cause). Nothing else of the daemon imports the addon.
 */
import * as native from "@wgmesh/native";
import { translated, translatedLater } from "../wireguard/nativeErrors.ts";

export type { Address, Link, Route, RouteLookup } from "@wgmesh/native";

/** A kind of object that changed. */
export type NetworkChange = "link" | "address" | "route";

/** A lock that is held until `release`, or until the process ends. */
export interface HeldLock {
  release(): void;
}

/** RTPROT of wgmesh's routes. */
export const ROUTE_PROTOCOL = native.ROUTE_PROTOCOL;

/** The link of that name, or null. */
export function linkGet(name: string): native.Link | null {
  return translated(() => native.linkGet(name));
}

/** Sockets that ask peers after their health and answer them, on a thread of the addon. Throws ERR_SYSTEM naming an address that cannot be had. */
export function openEcho(addresses: readonly string[], port: number, callback: () => void): native.EchoPort {
  return translated(() => native.EchoPort.open(addresses, port, callback));
}

export function linkList(): native.Link[] {
  return translated(() => native.linkList());
}

export function linkSetUp(name: string): void {
  translated(() => native.linkSetUp(name));
}

/** 576..65535 */
export function linkSetMtu(name: string, mtu: number): void {
  translated(() => native.linkSetMtu(name, mtu));
}

export function linkDelete(name: string): void {
  translated(() => native.linkDelete(name));
}

/** All addresses, or those of one link. */
export function addressList(linkName?: string): native.Address[] {
  return translated(() => native.addressList(linkName));
}

/** Adds `address/prefix` with its connected route, IPv6 usable at once; no error when it is there already. */
export function addressAdd(linkName: string, cidr: string): void {
  translated(() => native.addressAdd(linkName, cidr));
}

/** No error when it is gone already. */
export function addressDelete(linkName: string, cidr: string): void {
  translated(() => native.addressDelete(linkName, cidr));
}

/** Routes of the main table, or those of one link in it; one with several next hops is listed once for each. */
export function routeList(linkName?: string): native.Route[] {
  return translated(() => native.routeList(linkName));
}

/** The way packets to an IP address take, and their MTU; null when there is none. Nothing is sent. */
export function routeGet(destination: string, fwmark?: number): native.RouteLookup | null {
  return translated(() => native.routeGet(destination, fwmark));
}

/** SO_MARK of this process's UDP sockets on the port. */
export function markSockets(fwmark: number, port: number): void {
  translated(() => native.markOwnSockets(fwmark, port));
}

/** A unicast route of ours out of the link; ERR_SYSTEM with cause EEXIST when another's stands there. */
export function routeAdd(
  destination: string,
  linkName: string,
  metric: number,
  source: string | null = null,
): void {
  translated(() => native.routeAdd(destination, linkName, source === null ? metric : { metric, source }));
}

/** Removes only ours; no error when it is gone already. */
export function routeDelete(destination: string, linkName: string, metric: number): void {
  translated(() => native.routeDelete(destination, linkName, metric));
}

/** Calls back 20 ms after the first change of a burst; the returned function ends that. Does not keep the process alive. */
export function watchNetwork(listener: (changes: readonly NetworkChange[]) => void): () => void {
  const monitor = translated(
    () => new native.NetworkMonitor((kinds) => listener(kinds as readonly NetworkChange[])),
  );
  return () => monitor.close();
}

/** An flock on a file that is never removed; null when another process holds it. */
export function lockFile(path: string): HeldLock | null {
  return translated(() => native.FileLock.tryAcquire(path));
}

/** A name held in this network namespace, or the PID of its holder (0 when that is in another PID namespace). */
export function lockNamespaceName(name: string): HeldLock | number {
  return translated(() => native.NamespaceLock.tryAcquire(name));
}

/** Who is at the other end of a Unix socket. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  return translated(() => native.peerCredentials(fd));
}

/** Tells the service manager (sd_notify(3)); false when there is none. */
export function sdNotify(state: string): boolean {
  return translated(() => native.sdNotify(state));
}

/** From now on no child inherits a descriptor that it is not given by name. */
export function keepDescriptors(): void {
  translated(() => native.keepDescriptors());
}

/** Datagrams to a log service; errors stay the addon's, whose `code` tells what to do. */
export function logSocket(path: string): native.LogSocket {
  return native.LogSocket.open(path);
}

/** No core dump, no ptrace by the same user. */
export function setNonDumpable(): void {
  translated(() => native.setNonDumpable());
}

/** A link that goes with this process; see {@link native.guardLink}. */
export const linkGuards = {
  start: (linkIndex: number): native.LinkGuard => translated(() => native.guardLink(linkIndex)),
  end: (guard: native.LinkGuard, keepLink: boolean): void =>
    translated(() => native.endLinkGuard(guard, keepLink)),
};

/** Whether the effective set has the capability, e.g. `CAP_NET_ADMIN`. */
export function hasCapability(name: string): boolean {
  return translated(() => native.hasCapability(name));
}

/** Ends the wireguard-go that a killed daemon left behind, if it still runs; its PID, or null. Takes up to 7 s. */
export function endLeftoverChild(recordPath: string): number | null {
  return translated(() => native.endLeftoverChild(recordPath));
}

/** A node of the DHT; see {@link native.DhtNode.open}. */
export function dhtNode(options: native.DhtOptions): native.DhtNode {
  return translated(() => native.DhtNode.open(options));
}

/** Policy rules and tables with our protocol number, and masquerading; see native/types/routing.d.ts. */
export const exits = {
  tables: {
    mark: native.UNDERLAY_MARK,
    rules: (): native.PolicyRule[] => translated(() => native.ruleList()),
    addRule: (rule: native.PolicyRule): void => translated(() => native.ruleAdd(rule)),
    removeRule: (rule: native.PolicyRule): void => translated(() => native.ruleDelete(rule)),
    defaults: (linkName: string, table: number): native.DefaultRoute[] =>
      translated(() => native.defaultRouteList(linkName, table)),
    addDefault: (linkName: string, table: number, family: 4 | 6, source: string | null): void =>
      translated(() => native.defaultRouteAdd(linkName, table, family, source ?? undefined)),
    markSockets: (mark: number): void => void translated(() => native.markOwnSockets(mark)),
  },
  masquerade: {
    families: (interfaceName: string): Promise<(4 | 6)[]> =>
      translatedLater(() => native.masqueradeFamilies(interfaceName)),
    set: (interfaceName: string, sources: readonly string[], except: readonly string[]): Promise<void> =>
      translatedLater(() => native.masqueradeSet(interfaceName, sources, except)),
    remove: (interfaceName: string): Promise<void> =>
      translatedLater(() => native.masqueradeRemove(interfaceName)),
  },
};

/** Chains and rules of the packet filter, as JSON of nft; some milliseconds where there are thousands. */
export function packetFilter(): Promise<string> {
  return translatedLater(() => native.packetFilter());
}
