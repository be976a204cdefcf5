/**
 * What the daemon asks of the operating system: real in linuxSystem.ts and darwinSystem.ts, in memory in tests.
 */
import type { Masquerade } from "../mesh/exitOffer.ts";
import type { ExitTables } from "../mesh/exitRoutes.ts";
import type { NetworkSettings } from "../mesh/forwarding.ts";
import type { InterfaceControl } from "../mesh/interfaceSync.ts";
import type { Path } from "../mesh/mtuPolicy.ts";
import type { RouteTable } from "../mesh/routes.ts";
import type { HostNetwork } from "../mesh/underlay.ts";
import type { Locks } from "./instanceLock.ts";
import type { LinkGuards } from "./interfaceGuard.ts";

export interface HostPath extends Path {
  /** The next router; null when the address is on the link. */
  readonly gateway: string | null;
  /** The address packets go out from. */
  readonly source: string | null;
}

export interface System {
  readonly locks: Locks;
  readonly host: HostNetwork;
  readonly networkSettings: NetworkSettings;
  /** What exit nodes take, on both sides; absent where the system, or wgmesh on it, has no such thing. */
  readonly exits?: { readonly tables: ExitTables; readonly masquerade: Masquerade };
  /** The rules of the packet filter, as JSON of nft; absent where they cannot be read without another program. */
  packetFilter?(): Promise<string>;
  readonly pid: number;
  hostname(): string;
  interfaceControl(linkName: string): InterfaceControl;
  /** The path that packets to an IP address take; null when there is none. */
  pathTo(host: string): HostPath | null;
  /** Adds `address/prefix` to the link. */
  addAddress(linkName: string, cidr: string): void;
  /** The main routing table. */
  routes(): readonly { readonly destination: string; readonly linkName: string | null }[];
  routeTable(linkName: string): RouteTable;
  /** Ends the child process of a killed daemon, if it still runs; its PID, or null. */
  endLeftoverChild(recordPath: string): number | null;
  /** sd_notify(3); does nothing without a service manager. */
  notify(state: string): void;
  /** No core dump, no ptrace by the same user (row B4). */
  setNonDumpable(): void;
  readonly linkGuards: LinkGuards;
  /** What a link has sent since it was made, bytes; null where that is not known without a system call of the addon. */
  sentBytes(linkName: string): number | null;
  /** Milliseconds since the machine was started, its sleep included. */
  bootMs(): number;
  /** Milliseconds of CPU that this process has used, in user mode and in the kernel. */
  cpuMs(): number;
  memoryBytes(): number;
  openFiles(): number;
}
