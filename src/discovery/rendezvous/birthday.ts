/**
 * The seam to many UDP sockets at once, for the side of a punch that is behind a symmetric NAT: each socket gets a port of the NAT's.
 */
import type { Endpoint } from "../../core/types.ts";

/** One of the sockets, kept: between WireGuard, which sends to `endpoint` on the loopback, and the peer. */
export interface PunchedBridge {
  /** On the loopback; what WireGuard's peer is set to. */
  readonly endpoint: Endpoint;
  /** Sends to the peer what is not WireGuard's; lost when that cannot be done. */
  send(data: Uint8Array): void;
  /** What comes from the peer and is not WireGuard's. */
  onDatagram(listener: (data: Buffer) => void): void;
  close(): void;
}

export interface ManySockets {
  /** Sends from one of them. */
  reply(socket: number, data: Uint8Array, to: Endpoint): void;
  /** Keeps one as a bridge to the peer; the others close, and this object is of no more use. */
  become(socket: number, to: Endpoint): PunchedBridge;
  /** Closes all of them. */
  close(): void;
}

export interface ManySocketsRequest {
  readonly to: Endpoint;
  /** Sent once from each, paced. */
  readonly data: Uint8Array;
  readonly sockets: number;
  readonly packetsPerSecond: number;
  readonly onDatagram: (socket: number, data: Buffer, from: Endpoint) => void;
}

/** Throws when the system refuses. */
export type OpenManySockets = (request: ManySocketsRequest) => ManySockets;
