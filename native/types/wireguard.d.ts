import type { PresharedKey, PrivateKey } from "./keys.js";
import type { NodeIdentity } from "./mesh.js";

/**
 * What moves the packets: `kernel` is the kernel's own WireGuard, `embedded` an engine on threads of this process behind a TUN
 * device, which works on every kernel with /dev/net/tun. `wireguard-go` is that program, run as a child of this process and spoken
 * to over its UAPI socket; it is what macOS has.
 */
export type BackendKind = "kernel" | "embedded" | "wireguard-go";

/** What not every backend needs. */
export interface WireGuardOpenOptions {
  /**
   * The program, an absolute path. Left out, it is looked up in `$PATH` and the usual folders, and taken only when nobody but root
   * and this process's user can have put it there.
   */
  program?: string;
  /**
   * A file in which the running child is written down, in a folder only this user can write to. A child outlives its process only
   * when the system could not tie the two together; {@link endLeftoverChild} ends it then.
   */
  childRecord?: string;
  /**
   * Addresses of this host, at most one of each family, that `embedded` listens on and sends from; without one of a family it does not
   * speak that family. Left out or empty: all of them. The others always listen on every address.
   */
  addresses?: readonly string[];
  /**
   * How many threads work at once, 1..64: in `embedded` for each direction (left out: as many as there are cores, four at most), in
   * `wireguard-go` in all (`$GOMAXPROCS`). The kernel's WireGuard uses the cores it finds.
   */
  threads?: number;
}

/**
 * One WireGuard interface; the same calls for every backend. Linux with CAP_NET_ADMIN, or macOS as root. Calls take turns: those that return
 * promises begin in the order they are made, each after the end of the one before, on libuv's thread pool; a synchronous one waits for the one under way. Only one program should write to a device at a time.
 *
 * After {@link WireGuardDevice.close} every other call fails with `EBADF`.
 */
export class WireGuardDevice {
  private constructor();

  /**
   * Creates the interface, or adopts one of that name. With `kernel` an existing WireGuard link is kept as it is: not set down, its
   * peers and port stay. With `embedded` a new TUN device is made. Takes some milliseconds. With `wireguard-go` the program is
   * started, after all that can be checked was; that takes some 50 ms, at most 15 s. On macOS its interfaces are called `utun` and a
   * number: any other name asks for a free number, and {@link WireGuardDevice.name} tells which.
   *
   * @param name - A letter, then letters, digits, `_` or `-`, at most 15 in all.
   * @param mtu - Bytes; 0, the default, leaves what is there, or 1420.
   *
   * Errors: `EPERM`; `EOPNOTSUPP` (kernel: it has no WireGuard); `ENOENT` (embedded: no /dev/net/tun); `EEXIST` (embedded: the name
   * belongs to a TUN or WireGuard link); `NOT_WIREGUARD` (a link of another kind has the name); `EINVAL`; `ENOTSUP` (not on this
   * system). wireguard-go as `embedded`, and `NO_WIREGUARD_GO` (it is missing, not to be trusted, or not wireguard-go),
   * `CHILD_FAILED` (it ended at once, with what it said), `EBUSY` (another process serves the UAPI socket of that name).
   */
  static open(kind: BackendKind, name: string, mtu?: number, options?: WireGuardOpenOptions): WireGuardDevice;

  /** As it was opened. */
  readonly kind: BackendKind;

  /** Name of the link. */
  readonly name: string;

  /** The kernel's number of the link. */
  readonly index: number;

  /** True when the interface existed and was kept. */
  readonly adopted: boolean;

  /** The UDP port that is bound now, 0 when none. Errors: `ENODEV` when somebody removed the interface. */
  listenPort(): number;

  /** Removes all addresses of the link and all peers. Up to 0.5 s with 1,000 peers. */
  reset(): Promise<void>;

  /**
   * Sets private key, port and mark together. Sends and receives IPv4 and IPv6, or IPv4 alone on hosts without IPv6.
   *
   * Errors: `EADDRINUSE` when another socket has the port, and then nothing was changed (for the kernel's device this is found out by
   * binding the port, since the kernel itself tells only when the link comes up); `EINVAL`; `ENODEV`.
   */
  configure(configuration: DeviceConfiguration): void;

  /** Sets the link up; {@link linkSetDown} sets it down. Errors: `EADDRINUSE` as above, `ENODEV`. */
  up(): void;

  /**
   * Applies changes of peers, in order, as one batch. A peer that cannot be changed does not keep the others from it. About 0.5 s
   * for 1,000 new peers with the kernel, 0.2 s with the embedded engine.
   *
   * @returns The peers that were not changed, and why.
   *
   * Errors: `EINVAL` when `changes` as a whole is not what it should be (then nothing was changed), `EPERM`, `ENODEV`.
   */
  apply(changes: readonly PeerChange[]): Promise<PeerFailure[]>;

  /** The state of the device and its peers. About 50 ms for 1,000 peers. Errors: `EPERM`, `ENODEV`. */
  read(): Promise<DeviceState>;

  /**
   * Sets the one handler of events; the kernel tells of none, wireguard-go of no handshakes and no foreign changes. Those that came before are
   * handed over first. Does not keep the process alive.
   */
  onEvent(callback: (event: DeviceEvent) => void): void;

  /**
   * Opens the device's UDP port for datagrams beside WireGuard's, and sets their one handler: payloads of 4 to 1,472 bytes that come
   * to that port and do not begin as a message of WireGuard (type 1 to 4 and three zero bytes). At most 2,000 a second, and 256
   * that wait; more are dropped and counted. They come from anybody. Does not keep the process alive.
   *
   * With `embedded` they come from the device's own sockets. With `kernel` and `wireguard-go` from raw ones beside them, Linux only,
   * which follow the device's port and mark as they are set or read here; the checksum of what comes over IPv4 is not looked at there.
   *
   * Errors: `EPERM` (kernel, wireguard-go: needs CAP_NET_RAW), `ENOTSUP` (not on this system).
   */
  onDatagram(callback: (datagram: BesideDatagram) => void): void;

  /**
   * Sends one datagram from the device's UDP port, with its mark, so that NATs treat it as WireGuard's own. After
   * {@link WireGuardDevice.onDatagram} only. Does not wait for other calls.
   *
   * @param host - An IP literal.
   * @param port - 1..65535
   * @param data - 4 to 1,472 bytes that do not begin as a message of WireGuard.
   *
   * @returns Whether it was handed to the kernel; what was not is counted.
   *
   * Errors: `EINVAL` when host or port is none.
   */
  sendDatagram(host: string, port: number, data: Uint8Array): boolean;

  /** What became of such datagrams; all zero before {@link WireGuardDevice.onDatagram}, and after the device was closed. */
  datagramCounters(): BesideCounters;

  /**
   * Ends it. With `remove` the peers are removed first and then the interface; without it the kernel's interface stays as it is,
   * peers and tunnels included, to be adopted again. An embedded interface always goes, and its threads are joined. Safe while
   * packets flow, and safe to call twice. Waits for a call under way; up to 0.5 s with 1,000 peers.
   *
   * An embedded device goes with its process too, however that ends; a kernel's does not.
   */
  close(remove: boolean): void;
}

/** A datagram that came to WireGuard's port and is not WireGuard's. */
export interface BesideDatagram {
  /** Its payload. */
  data: Buffer;
  /** Its source, an IP address; IPv4 mapped into IPv6 as IPv4. */
  host: string;
  /** Port of its source, 1..65535. */
  port: number;
}

/** Counts since the port was opened. */
export interface BesideCounters {
  /** Handed to the callback. */
  received: number;
  /** Not handed on: too many a second, or too many waited. */
  dropped: number;
  /** Handed to the kernel. */
  sent: number;
  /** Refused, here or by the kernel. */
  sendErrors: number;
}

/** What {@link WireGuardDevice.configure} sets; it has one of the two keys. What is left out is set to its default. */
export interface DeviceConfiguration {
  /** The device's key. */
  privateKey?: PrivateKey;
  /** The device's key, from a node's state file. */
  identity?: NodeIdentity;
  /** UDP port, 1..65535. 0, the default, is any: the one that is bound stays. */
  listenPort?: number;
  /** Mark of the packets sent (SO_MARK), for policy routing, 32 bits. 0, the default, is none. */
  fwmark?: number;
}

/** One entry of a batch; what is left out stays as it is, or is none for a new peer. */
export interface PeerChange {
  /** Base64, 44 characters. The peer is made when it does not exist. */
  publicKey: string;
  /** Removes the peer; nothing else counts. */
  remove?: boolean;
  /** Removes the peer and adds it again in the same batch: forgets its sessions and, with a keepalive, starts a handshake at once. */
  reset?: boolean;
  /** Never makes the peer: passed over without an error when it does not exist. Not together with `reset`. */
  updateOnly?: boolean;
  /** The preshared key; null takes it away. */
  presharedKey?: PresharedKey | null;
  /** `ip:port` or `[v6]:port`, literals only. */
  endpoint?: string;
  /** *Replaces* the list: networks as `address/prefix`, host bits are cleared. A network belongs to the last peer that was given it. */
  allowedIps?: readonly string[];
  /** *Added* to the list, after `allowedIps`. */
  addAllowedIps?: readonly string[];
  /** Seconds between keepalives, 1..65535; 0 is off. Turning it on sends one at once, and so starts a handshake. */
  keepaliveSeconds?: number;
}

/** A peer that was not changed. */
export interface PeerFailure {
  /** As it was given. */
  publicKey: string;
  /** `CODE: cannot <operation> <object>: <reason>` */
  error: string;
}

/** What {@link WireGuardDevice.read} tells. */
export interface DeviceState {
  /** Null without a key. */
  publicKey: string | null;
  /** The UDP port that is bound, 0 when none. */
  listenPort: number;
  /** Mark of the packets sent, 0 when none. */
  fwmark: number;
  /** In the order of their keys (embedded), or as the kernel lists them. */
  peers: PeerState[];
}

/** A peer of a device. */
export interface PeerState {
  /** Base64, 44 characters. */
  publicKey: string;
  /** Whether it has a preshared key; which one is not told. */
  hasPresharedKey: boolean;
  /**
   * It has another preshared key than {@link WireGuardDevice.apply} gave it last, so somebody else set that. False for a peer that was given
   * none through this object.
   */
  presharedKeyChanged: boolean;
  /** Where packets to it go, `ip:port` or `[v6]:port`: as it was set, or where it roamed to. Null when neither. */
  endpoint: string | null;
  /** `address/prefix` each. */
  allowedIps: string[];
  /** Seconds, 0 is off. */
  keepaliveSeconds: number;
  /** Unix time in milliseconds, 0 for never. */
  lastHandshakeMs: number;
  /** Bytes received, as WireGuard counts them: UDP payload of authentic messages. */
  rxBytes: number;
  /** Bytes sent, counted alike. */
  txBytes: number;
}

/** What happens to an embedded device by itself. */
export type DeviceEvent = HandshakeEvent | ForeignChangeEvent | NoticeEvent | FailedEvent;

/** A session with the peer was made, whichever side began it. */
export interface HandshakeEvent {
  /** Tells it from the others. */
  type: "handshake";
  /** The peer. */
  publicKey: string;
}

/** Somebody changed the device over its UAPI socket, with `wg set` for example. */
export interface ForeignChangeEvent {
  /** Tells it from the others. */
  type: "foreign-change";
  /** What was changed, in words. */
  what: string;
}

/** Something an operator should know, such as a UAPI socket held by another process; the device works all the same. */
export interface NoticeEvent {
  /** Tells it from the others. */
  type: "notice";
  /** A sentence. */
  text: string;
}

/** A thread of the engine met an error it could not mend: the device is of no use any more, and wants to be closed. */
export interface FailedEvent {
  /** Tells it from the others. */
  type: "failed";
  /** A sentence. */
  reason: string;
}

/**
 * Ends the wireguard-go of an earlier process that is gone, if it still runs, and removes the record and its socket: the number is
 * believed only when the process with it started when the recorded one did. Takes up to 7 s when it has to be killed.
 *
 * @returns Its PID, or null when there was none to end.
 *
 * Errors: `STATE_DAMAGED` (not a record), `STATE_PERMISSIONS` (others could have written it), `EBUSY` (it does not end).
 */
export function endLeftoverChild(childRecord: string): number | null;
