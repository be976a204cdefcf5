/**
 * `@wgmesh/native`: WireGuard, netlink and mesh identity for Node.js, without subprocesses.
 *
 * Every function is synchronous unless it returns a promise; its doc says how long it may take when that is more
 * than a millisecond. Every error is an `Error` with a `code` (an errno name such as `EPERM`, `STATE_*`, `SECRET_*`; `EINVAL`
 * also for an argument of the wrong type; `ENOTSUP` for what this platform lacks; `INTERNAL` for a bug) and a message of the
 * form `CODE: cannot <operation> <object>: <reason>`. Nothing panics.
 */

/** What an error of this package carries. */
export interface NativeError extends Error {
  code: string;
}

// ---- identity -------------------------------------------------------------------------------------------------

/**
 * A handle to a mesh secret and everything derived from it (PROTOCOL.md section 2). The bytes stay in native memory
 * and are zeroised when the handle is collected.
 */
export class MeshSecret {
  private constructor();
  /** Takes any input form (PROTOCOL.md section 1). Errors: SECRET_SHORT (under 16 bytes), SECRET_URI (nothing after the prefix). */
  static fromText(text: string): MeshSecret;
  /**
   * Reads a regular file or pipe of at most 64 KiB; a pipe blocks until its writer is done. A systemd credential may be
   * readable by its group. Errors: ENOENT, EACCES, SECRET_FILE (others than owner and root can read or
   * write it, or another user owns it), SECRET_SHORT, SECRET_URI.
   */
  static fromFile(path: string): MeshSecret;
  /** Reads a descriptor (pipe, standard input) to its end, at most 64 KiB. Blocks until the writer closes it. */
  static fromFd(fd: number): MeshSecret;
  /** Asks on /dev/tty with echo off. Blocks until the line is entered. Errors: ENXIO without a terminal. */
  static fromPrompt(prompt: string): MeshSecret;
  /** Estimated strength in bits; the doc of identity/strength.rs has the rule. */
  strengthBits(): number;
  parameters(): MeshParameters;
  /** Hourly DHT infohash, 40 hex digits; `hour` is floor(unix seconds / 3600). */
  infohash(hour: number): string;
  /** Mesh IPv4 for a key: nonce 0 is the normal address, 1.. the collision ones (PROTOCOL.md 2.1, 2.4). */
  meshIpv4(publicKey: string, nonce: number): string;
  /** The same inside an operator subnet (PROTOCOL.md 2.2). EINVAL for a network that is not IPv4 with prefix 0..30. */
  meshIpv4In(publicKey: string, subnet: string, nonce: number): string;
  /** PROTOCOL.md 2.3, RFC 5952 text. */
  meshIpv6(publicKey: string): string;
  /** AES-256-GCM under the gossip key, tag appended (PROTOCOL.md section 3). `nonce` is 12 bytes. */
  seal(nonce: Uint8Array, plaintext: Uint8Array): Buffer;
  /** The opposite; null when the tag does not fit. EINVAL for a nonce that is not 12 bytes, in both. */
  open(nonce: Uint8Array, ciphertext: Uint8Array): Buffer | null;
}

/** What may be known of a secret's derivation. Ports 1..65535. */
export interface MeshParameters {
  /** 40 hex digits */
  networkId: string;
  /** 12 hex digits */
  meshId: string;
  /** `10.x.0.0/16` */
  meshSubnet: string;
  /** `fd…::/64`, four digits a group as the Go peer prints it, so not always the canonical text. */
  meshIpv6Prefix: string;
  /** `239.192.a.b` */
  multicastGroup: string;
  /** UDP control port */
  gossipPort: number;
  /** TCP probe port on the mesh addresses */
  probePort: number;
  /** 16 hex digits */
  rendezvousId: string;
}

/** A new secret of 128 random bytes as a `wgmesh://v1/…` URI (PROTOCOL.md section 1). */
export function generateSecretUri(): string;

/** The node's WireGuard key pair and pinned addresses: the state file `<iface>.json` (PROTOCOL.md section 14). */
export class NodeIdentity {
  private constructor();
  /**
   * Reads the state file, or makes a key pair in memory when the file does not exist (nothing is written before `save`).
   * Errors, none of which changes the file: STATE_DAMAGED (not JSON, key missing, keys do not match), STATE_UNREADABLE,
   * STATE_PERMISSIONS (mode wider than 0600, other owner, not a regular file).
   */
  static load(path: string): NodeIdentity;
  /** True when the key pair is new. */
  readonly created: boolean;
  /** Canonical key text. */
  readonly publicKey: string;
  /** Pinned addresses of the file, as they stand there. */
  readonly meshIp: string | null;
  readonly meshIpv6: string | null;
  /**
   * Writes the state file atomically (temporary file in the same folder, 0600, fsync, rename, fsync of the folder), unknown
   * members kept; does nothing when the file already says the same. `meshIpv6` null removes it. Errors: EINVAL, STATE_WRITE
   * (also when the file has another identity by now), and those of `load` when it was spoilt meanwhile. May take tens of ms on a slow disk.
   */
  save(meshIp: string, meshIpv6: string | null): void;
}

// ---- links, addresses, routes ---------------------------------------------------------------------------------

export interface Link {
  index: number;
  name: string;
  /** `wireguard`, `tun`, `veth`, `bridge`, … or "" for hardware. */
  kind: string;
  mtu: number;
  up: boolean;
  /** Carrier present. */
  running: boolean;
  loopback: boolean;
  multicast: boolean;
  pointToPoint: boolean;
}

export interface Address {
  linkIndex: number;
  linkName: string;
  /** Canonical IP text */
  address: string;
  prefixLength: number;
  /** `global`, `link`, `host`, `site` */
  scope: string;
  /** Duplicate address detection still runs, or failed. */
  tentative: boolean;
}

export interface Route {
  /** Network in canonical text; the default route is `0.0.0.0/0` or `::/0`. */
  destination: string;
  gateway: string | null;
  linkName: string | null;
  /** Routing table, 254 is main. */
  table: number;
  /** Who made it (rtnetlink RTPROT); wgmesh's is 111. */
  protocol: number;
  metric: number;
  /** `unicast`, `blackhole`, … */
  type: string;
}

/** The RTPROT number of wgmesh's routes. */
export const ROUTE_PROTOCOL: 111;

export function linkGet(name: string): Link | null;
export function linkList(): Link[];
export function linkSetUp(name: string): void;
/** 576..65535 */
export function linkSetMtu(name: string, mtu: number): void;
export function linkDelete(name: string): void;
/** All addresses, or those of one link. */
export function addressList(linkName?: string): Address[];
/** Adds `address/prefix`, without duplicate address detection for IPv6. Not an error when it is there already. */
export function addressAdd(linkName: string, cidr: string): void;
/** Not an error when it is gone already. */
export function addressDelete(linkName: string, cidr: string): void;
/** Routes of the main table, or of one link in it. */
export function routeList(linkName?: string): Route[];
/** Adds a unicast route out of the link (protocol 111, main table); replaces an equal one of ours. EEXIST when another's stands there. */
export function routeAdd(destination: string, linkName: string, metric: number): void;
/** Removes the route only when protocol, link and destination are ours. Not an error when it is gone already. */
export function routeDelete(destination: string, linkName: string, metric: number): void;

/** Tells of changes of links, addresses and routes (rtnetlink groups), debounced by 20 ms into one call. */
export class NetworkMonitor {
  /** `callback` gets the kinds that changed: `link`, `address`, `route`. */
  constructor(callback: (kinds: string[]) => void);
  /** Joins the thread. */
  close(): void;
}

// ---- WireGuard ------------------------------------------------------------------------------------------------

export type BackendKind = "kernel" | "embedded";

/**
 * One WireGuard interface. The same calls for every backend. Only one writer may use a device at a time: the methods that
 * return promises run on another thread and must be awaited before the next call.
 */
export class WireGuardDevice {
  private constructor();
  /**
   * Creates the interface, or adopts one of that name: kernel: an existing WireGuard link is kept (not set down, index and port
   * stay); embedded: a new TUN device is made, EEXIST when the name is taken. Errors: EPERM, EOPNOTSUPP (kernel without
   * WireGuard), ENOENT (no /dev/net/tun), NOT_WIREGUARD (a link of that name is something else), EINVAL (name).
   * `mtu` 0 leaves 1420.
   */
  static open(kind: BackendKind, name: string, mtu: number): WireGuardDevice;
  readonly kind: BackendKind;
  readonly name: string;
  readonly index: number;
  /** True when the interface existed. */
  readonly adopted: boolean;
  /** The port bound now, 0 when none. */
  listenPort(): number;
  /** Removes all addresses and peers: what "reset" means (row C2). Takes up to 0.5 s with 1,000 peers. */
  reset(): Promise<void>;
  /**
   * Sets private key and port. EADDRINUSE when another socket has the port (the kernel backend checks by binding, since
   * the kernel itself tells only when the link comes up). Sends and receives IPv4 and IPv6, or IPv4 alone on hosts without IPv6.
   */
  configure(identity: NodeIdentity, listenPort: number): void;
  /** Sets the link up; EADDRINUSE as above. */
  up(): void;
  /**
   * Applies peer changes: JSON of {@link PeerChange}[], in order, as one batch. `secret` gives the preshared key of peers that
   * have `presharedKey: true`. The message of an error names the peer; the others are applied all the same.
   * Resolves to JSON `[{ "publicKey": …, "error": … }]` of the peers that failed.
   */
  apply(secret: MeshSecret, changesJson: string): Promise<string>;
  /** Resolves to JSON {@link DeviceState}. */
  read(): Promise<string>;
  /** Sets the handler of device events (embedded only): JSON {@link DeviceEvent}. */
  onEvent(callback: (eventJson: string) => void): void;
  /**
   * Ends it. With `remove` the peers are flushed first and then the interface is removed; without it the kernel's interface
   * stays as it is, peers and tunnels included, to be adopted again. An embedded interface always goes, and its threads are
   * joined. Safe while packets flow, waits for a call under way, and safe to call twice. Takes up to 0.5 s with 1,000 peers.
   */
  close(remove: boolean): void;
}

/** One entry of a batch. */
export interface PeerChange {
  publicKey: string;
  /** Removes the peer; nothing else counts. */
  remove?: true;
  /** Removes and adds again in the same batch: forgets sessions and starts a handshake at once. */
  reset?: true;
  /** The peer must exist; never creates one. */
  updateOnly?: true;
  presharedKey?: boolean;
  /** `ip:port` or `[v6]:port`, literals only. */
  endpoint?: string;
  /** Replaces the whole list. */
  allowedIps?: string[];
  /** Added to the list. */
  addAllowedIps?: string[];
  /** Seconds, 0 is off. */
  keepaliveSeconds?: number;
}

export interface DeviceState {
  publicKey: string | null;
  listenPort: number;
  fwmark: number;
  peers: PeerState[];
}

export interface PeerState {
  publicKey: string;
  hasPresharedKey: boolean;
  endpoint: string | null;
  allowedIps: string[];
  keepaliveSeconds: number;
  /** Unix time in milliseconds, 0 for never. */
  lastHandshakeMs: number;
  rxBytes: number;
  txBytes: number;
}

export type DeviceEvent =
  /** A session with the peer was made. */
  | { type: "handshake"; publicKey: string }
  /** Somebody changed the device over its UAPI socket. */
  | { type: "foreign-change"; what: string }
  /** Something an operator should know, such as a UAPI socket held by another process; the device works all the same. */
  | { type: "notice"; text: string }
  /** An engine thread met an error it could not mend. */
  | { type: "failed"; reason: string };

// ---- the operating system -------------------------------------------------------------------------------------

/**
 * An exclusive flock on a file that is made when missing (0600) and never removed or renamed. Keep the object: a lock that is
 * collected is given back. No child inherits it.
 */
export class FileLock {
  private constructor();
  /** Null when another process holds it. */
  static tryAcquire(path: string): FileLock | null;
  /** Gives the lock back; the file stays. */
  release(): void;
}

/** A name held in this network namespace, by an abstract Unix socket: gone when the process, or the object, is. */
export class NamespaceLock {
  private constructor();
  /** The lock, or the PID of the process that holds the name (0 when it cannot be told). `name` has 1 to 100 bytes. */
  static tryAcquire(name: string): NamespaceLock | number;
  release(): void;
}

/** SO_PEERCRED of a connected Unix socket. ENOTCONN for any other. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number };
/** SO_BINDTODEVICE. */
export function bindToDevice(fd: number, linkName: string): void;
/** Sends to $NOTIFY_SOCKET (sd_notify(3)); false when there is none. EAGAIN rather than a wait when its queue is full. */
export function sdNotify(state: string): boolean;
/** prctl(PR_SET_DUMPABLE, 0): no core dump, no ptrace by the same user. */
export function setNonDumpable(): void;
/** Whether the effective set has the capability, e.g. `CAP_NET_ADMIN`. EINVAL for an unknown name. */
export function hasCapability(name: string): boolean;

/** Version of this package. */
export const version: string;
