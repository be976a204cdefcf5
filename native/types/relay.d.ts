/** What {@link RelayServer.open} takes. */
export interface RelayServerOptions {
  /** UDP port, for IPv4 and IPv6; 0, the default, is any. */
  port?: number;
  /** Mark of the packets sent (SO_MARK), 32 bits. 0, the default, is none; setting one needs CAP_NET_ADMIN. */
  fwmark?: number;
  /** Addresses of this host, at most one of each family, to bind to; left out or empty, all of them. */
  addresses?: readonly string[];
  /** Bytes a second that are forwarded, of all sessions together, frame headers included; 12,500,000 when left out. */
  bytesPerSecond?: number;
  /** Packets a second, counted alike; 20,000 when left out. */
  packetsPerSecond?: number;
  /** 1..4096; 256 when left out. */
  maxSessions?: number;
  /** A session without frames of either end for so long ends, 1..86400; 120 when left out. */
  idleSeconds?: number;
}

/** Limits of one session; what is left out, or 0, is limited by those of the relay alone. */
export interface RelaySessionLimits {
  /** Bytes a second, both directions together. */
  bytesPerSecond?: number;
  /** Packets a second, both directions together. */
  packetsPerSecond?: number;
}

/** What {@link RelayServer.setLimits} takes. */
export interface RelayRates {
  /** Bytes a second, of all sessions together, frame headers included; 12,500,000 when left out. */
  bytesPerSecond?: number;
  /** Bytes a second of each session there is, both directions together; none of its own when left out. */
  sessionBytesPerSecond?: number;
}

/** A session of a relay, without its tokens. */
export interface RelaySession {
  /** As {@link RelayServer.addSession} returned it. */
  id: number;
  /** Forwarded. */
  packets: number;
  /** Forwarded, frame headers included. */
  bytes: number;
  /** Packets that were not forwarded: beyond a limit, or the other end was not there. */
  dropped: number;
  /** Since the last frame of either end. */
  idleMs: number;
  /** Which of the two ends have shown where they are, in the order of their tokens. */
  connected: boolean[];
}

/** Counts of a relay since it was opened. */
export interface RelayCounters {
  /** Packets of all sessions. */
  forwardedPackets: number;
  /** Their bytes, frame headers included. */
  forwardedBytes: number;
  /** Beyond a limit, or for an end that was not there. */
  droppedPackets: number;
  /** Datagrams without a token that is known: they get no answer. */
  strangerPackets: number;
}

/**
 * A relay: forwards frames between the two ends of each session, on a thread of its own. It cannot read what it forwards. Linux.
 *
 * A frame is `"WGR"`, a kind, the eight bytes of a token, a payload. Each end has a token of its own; the relay learns the address of
 * an end when that address gives back what was sent to it, and follows an end that moves in the same way. So it sends
 * nothing to an address that did not present a token, but one challenge no longer than what came in that address's name, at most 20
 * a second and end.
 */
export class RelayServer {
  private constructor();

  /** Errors: `EADDRINUSE`, `EPERM` (a mark without CAP_NET_ADMIN), `EINVAL`. */
  static open(options?: RelayServerOptions): RelayServer;

  /** The UDP port it has. */
  readonly port: number;

  /**
   * Adds a session.
   *
   * @param first - Eight unpredictable bytes, the token of one end.
   * @param second - Those of the other end.
   *
   * @returns Its number, for {@link RelayServer.removeSession}.
   *
   * Errors: `EEXIST` (a token is in use, or both are the same), `ENOSPC` (as many sessions as there may be), `EINVAL`.
   */
  addSession(first: Uint8Array, second: Uint8Array, limits?: RelaySessionLimits): number;

  /** Other limits from now on, for the sessions that are there too; those of packets stay. Errors: `EINVAL`, `EBADF`. */
  setLimits(limits: RelayRates): void;

  /** Ends a session at once; false when there was none of that number. */
  removeSession(id: number): boolean;

  /** All sessions, in the order of their numbers. */
  sessions(): RelaySession[];

  /** What was counted. */
  counters(): RelayCounters;

  /** Ends it and joins its thread; every other call then fails with `EBADF`. Twice is once. */
  close(): void;
}

/** What {@link Bridge.open} takes. */
export interface BridgeOptions {
  /** Port of WireGuard on 127.0.0.1. */
  wireguardPort: number;
  /** `ip:port` or `[v6]:port`: the relay, or the peer itself when there is no token. */
  remote: string;
  /** Our end's token, 8 bytes. Left out: datagrams go as they are. */
  token?: Uint8Array;
  /** Mark of the packets sent (SO_MARK), 32 bits; 0, the default, is none. */
  fwmark?: number;
  /** Addresses of this host, at most one of each family, to bind to; left out or empty, all of them. */
  addresses?: readonly string[];
}

/** Counts of a bridge; bytes are those of WireGuard's packets, without frames. */
export interface BridgeCounters {
  /** Handed to WireGuard. */
  rxPackets: number;
  /** Handed to WireGuard. */
  rxBytes: number;
  /** Taken from WireGuard. */
  txPackets: number;
  /** Taken from WireGuard. */
  txBytes: number;
  /** Datagrams that were not handed on: no frame, of somebody else, too many, or while delivery was stopped. */
  dropped: number;
  /** Milliseconds since a payload of the other end came from this remote; null when none did. */
  lastReceivedMs: number | null;
  /** Milliseconds since this remote sent anything, its answers to keepalives among it (one every 15 to 20 s); null when it did not. */
  remoteAliveMs: number | null;
}

/** What {@link Bridge.birthday} takes. */
export interface BirthdayOptions {
  /** `ip:port` or `[v6]:port`, where each socket sends to. */
  remote: string;
  /** What each sends: 4 to 1,472 bytes that do not begin as a message of WireGuard. */
  data: Uint8Array;
  /** 1..256 */
  sockets: number;
  /** 1..1000; 500 when left out. */
  packetsPerSecond?: number;
  /** Mark of the packets sent (SO_MARK), 32 bits; 0, the default, is none. */
  fwmark?: number;
  /** Addresses of this host, at most one of each family, to bind to; left out or empty, all of them. */
  addresses?: readonly string[];
}

/** What {@link Birthday.become} takes. */
export interface PlainBridgeOptions {
  /** Port of WireGuard on 127.0.0.1. */
  wireguardPort: number;
  /** `ip:port` or `[v6]:port`: the peer. */
  remote: string;
}

/** What came to one of the sockets of {@link Bridge.birthday}. */
export interface BirthdayDatagram {
  /** Which socket, 0 for the first. */
  socket: number;
  /** 4 to 1,472 bytes that are not WireGuard's. */
  data: Buffer;
  /** Source address. */
  host: string;
  /** Source port. */
  port: number;
}

/**
 * The end of a path that WireGuard cannot take by itself: a WireGuard peer whose endpoint is {@link Bridge.endpoint} is reached over
 * a relay, or over a socket with which a NAT was passed. Works with every backend; moves packets on a thread of its own. Linux.
 *
 * It sends a keepalive every 15 to 20 s, and more often until the remote answered.
 */
export class Bridge {
  private constructor();

  /** Errors: `EINVAL`, `EAFNOSUPPORT` (a host without IPv6), `EPERM` (a mark without CAP_NET_ADMIN), `EMFILE`. */
  static open(options: BridgeOptions): Bridge;

  /**
   * Sends a datagram from each of many sockets, towards a peer whose NAT lets in what was sent to before, so that one of the ports
   * it tries meets one of these: the birthday method. What comes back is judged by the caller.
   *
   * @param callback - Gets at most 500 datagrams a second, from whoever sends them.
   *
   * Errors: as {@link Bridge.open}.
   */
  static birthday(options: BirthdayOptions, callback: (datagram: BirthdayDatagram) => void): Birthday;

  /** `127.0.0.1:port`: what the endpoint of the WireGuard peer is to be. The same as long as the bridge lives. */
  readonly endpoint: string;

  /**
   * Sends a payload to the other end beside WireGuard's packets, by the same way.
   *
   * @param data - 4 to 1,472 bytes that do not begin as a message of WireGuard.
   *
   * @returns Whether it was handed to the kernel.
   */
  send(data: Uint8Array): boolean;

  /** Sets the one handler of such payloads of the other end: at most 2,000 a second. Does not keep the process alive. */
  onDatagram(callback: (data: Buffer) => void): void;

  /** Whether what comes in goes to WireGuard, as it does at first. {@link Bridge.onDatagram} goes on without. */
  setDelivery(on: boolean): void;

  /** WireGuard has another port now. */
  setWireguardPort(port: number): void;

  /**
   * Another relay, or another address of the peer; the WireGuard peer does not notice. The local port stays unless the family changes.
   *
   * Errors: as {@link Bridge.open}.
   */
  repoint(remote: string, token?: Uint8Array): void;

  /** What was counted. */
  counters(): BridgeCounters;

  /** Ends it and joins its thread; every other call then fails with `EBADF`. Twice is once. */
  close(): void;
}

/** The sockets of {@link Bridge.birthday}. */
export class Birthday {
  private constructor();

  /** Sends a datagram from each socket once more, from the first on; false when it is nothing that may be sent. */
  send(data: Uint8Array): boolean;

  /** Sends from one socket at once, to `ip:port` or `[v6]:port`; whether it was handed to the kernel. */
  reply(socket: number, data: Uint8Array, remote: string): boolean;

  /**
   * Makes a bridge without frames of one socket; the others, and this object, are closed.
   *
   * Errors: `EINVAL` (no such socket, a remote of the other family), `EBADF`.
   */
  become(socket: number, options: PlainBridgeOptions): Bridge;

  /** Closes all sockets and joins the thread; every other call then fails with `EBADF`. Twice is once. */
  close(): void;
}
