/**
 * The seam to what moves the packets of relayed peers: threads of the addon (wireguard/relayPlane.ts), or a twin in memory.
 */
import type { Endpoint } from "../../core/types.ts";

export interface BridgeOptions {
  /** The relay's UDP socket. */
  readonly relay: Endpoint;
  /** 8 bytes. */
  readonly token: Buffer;
  /** What came through the relay and is no WireGuard message; anybody's word. */
  readonly onDatagram: (data: Buffer) => void;
}

/** Totals since the bridge was opened, of WireGuard messages. */
export interface BridgeTraffic {
  readonly rxPackets: number;
  readonly txPackets: number;
}

/** A socket on the loopback that a WireGuard peer's endpoint points to, and one towards the relay. Opened without delivery. */
export interface Bridge {
  /** What WireGuard is to send to. */
  readonly endpoint: Endpoint;
  /** Sends a datagram that is no WireGuard message through the relay; what cannot be sent is lost. */
  send(data: Uint8Array): void;
  /** Whether what comes in is handed to WireGuard, which then follows its source (upgrade.ts). */
  deliver(on: boolean): void;
  traffic(): BridgeTraffic;
  close(): void;
}

export interface RelayLimits {
  /** Of all sessions together, bytes per second. */
  readonly limitBytesPerSecond: number;
  /** Of one session. */
  readonly pairBytesPerSecond: number;
}

export interface RelayServerOptions extends RelayLimits {
  /** 0 for any free port. */
  readonly port: number;
}

export interface SessionState {
  readonly id: string;
  /** Since a packet of either end, in milliseconds. */
  readonly idleMs: number;
  /** Passed on, in both directions. */
  readonly bytes: number;
  readonly packets: number;
  /** Not passed on: over a limit, or an end that was not heard yet. */
  readonly dropped: number;
}

export interface RelayServer {
  /** UDP, bound. */
  readonly port: number;
  /** Packets that show one token go to whoever showed the other. */
  addSession(id: string, tokens: readonly [Buffer, Buffer]): void;
  removeSession(id: string): void;
  /** From now on, for the sessions that are there too. */
  setLimits(limits: RelayLimits): void;
  sessions(): SessionState[];
  close(): void;
}

export interface RelayPlane {
  /** Whether WireGuard here stays on a direct path it was set to, though packets still come out of the bridge that it left. */
  readonly empties: boolean;
  /** Throws when no socket can be had. */
  openBridge(options: BridgeOptions): Bridge;
  /** Throws when the port cannot be had. */
  openServer(options: RelayServerOptions): RelayServer;
}
