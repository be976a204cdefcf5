/**
 * What the doctor sees of the machine: real in daemon/doctor/host.ts, in memory in tests. Every look leaves the machine as it is.
 */
import type { Endpoint } from "../core/types.ts";
import type { Ruleset } from "./ruleset.ts";

export interface Rights {
  readonly netAdmin: boolean;
  readonly netRaw: boolean;
}

export interface FileFacts {
  readonly kind: "file" | "folder" | "socket" | "other";
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** A UDP socket of this network namespace. */
export interface UdpHolder {
  readonly port: number;
  /** `0.0.0.0` or `::` for all addresses. */
  readonly address: string;
  /** Null for the kernel's own, and where it cannot be told. */
  readonly pid: number | null;
  readonly program: string | null;
}

export interface LinkFacts {
  readonly index: number;
  readonly name: string;
  /** `wireguard`, `tun`, … or "" for hardware. */
  readonly kind: string;
  readonly up: boolean;
  readonly loopback: boolean;
  readonly multicast: boolean;
  readonly pointToPoint: boolean;
}

export interface PathFacts {
  readonly linkName: string;
  /** Bytes. */
  readonly mtu: number;
  readonly type: string;
}

export interface DoctorHost {
  readonly platform: NodeJS.Platform;
  /** Unix time in milliseconds. */
  wallMs(): number;
  /** Of a process, or of this one; null where that cannot be told. */
  rights(pid: number | null): Rights | null;
  /** Why the device cannot be opened for reading and writing: an error code such as ENOENT; null when it can. */
  deviceError(path: string): string | null;
  /** What the running kernel has: WireGuard, a module that it would load, or neither. Null where that cannot be told. */
  kernelWireguard(): "there" | "loadable" | "missing" | null;
  /** True when a program of that name, or at that path, can be run. */
  hasProgram(name: string): boolean;
  /** Null where that cannot be told. */
  udpHolders(): readonly UdpHolder[] | null;
  /** Null when it is not there. Throws where it cannot be looked at. */
  file(path: string): FileFacts | null;
  /** Why nothing can be written there; null when it can. Nothing is written to find out. */
  unwritable(path: string): string | null;
  /** The same of reading. */
  unreadable(path: string): string | null;
  /** Of the disk below a folder, for this user. */
  space(path: string): { readonly freeBytes: number; readonly inodes: number; readonly freeInodes: number };
  /** The public key of a state file. Throws a WgmeshError that says what is wrong with it. */
  publicKeyIn(path: string): string;
  /** What is wrong with a node's other files: peer cache, reload file, kept settings. */
  badNodeFiles(): readonly string[];
  /** What a PID file says that names no daemon; null when there is none, or it names one. */
  stalePidFile(path: string): string | null;
  /** The rules of the packet filter. Rejects where they cannot be read. */
  ruleset(signal: AbortSignal): Promise<Ruleset>;
  /** Tables of iptables-legacy that may drop packets and that no ruleset shows: `ip filter`. */
  legacyTables(): readonly string[];
  links(): readonly LinkFacts[];
  addresses(): readonly {
    readonly linkName: string;
    readonly address: string;
    readonly prefixLength: number;
  }[];
  /** The main routing table. */
  routes(): readonly { readonly destination: string; readonly linkName: string | null }[];
  /** The way to an IP address; null when there is none. Nothing is sent. */
  pathTo(host: string): PathFacts | null;
  /** A kernel setting below /proc/sys/net; null when there is none. */
  setting(name: string): string | null;
  /** Whether such settings can be changed here: not in most containers. */
  settingsWritable(): boolean;
  /** Rejects when nobody answers, or the name has no address. */
  resolve(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Milliseconds until the first of the servers answered; null when none did. Rejects when none could be asked. */
  askStun(servers: readonly Endpoint[], signal: AbortSignal): Promise<number | null>;
  /** Whether the kernel holds its clock for kept right by a time service; null where that cannot be told. */
  clockSynchronised(signal: AbortSignal): Promise<boolean | null>;
  /** Of a process, or of this one; null where that cannot be told. */
  descriptors(pid: number | null): { readonly limit: number; readonly open: number } | null;
  /** Who else configures the link: `NetworkManager`, `systemd-networkd`. */
  linkManagers(link: LinkFacts): readonly string[];
}
