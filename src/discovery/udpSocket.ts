/**
 * The seam to UDP: `nodeUdp.ts` is the real thing, tests have an in-memory network behind the same interface.
 */

export interface UdpBinding {
  readonly family: "udp4" | "udp6";
  /** IP literal to bind to. */
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Lets several processes of one host share a multicast port. */
  readonly reuseAddress?: boolean;
}

export interface UdpSource {
  readonly address: string;
  readonly port: number;
}

export interface UdpHandlers {
  datagram(data: Buffer, source: UdpSource): void;
  /** An error that belongs to no call, after which the socket may be unusable. */
  error(error: Error): void;
}

export interface UdpSocket {
  /** Sends to an IP literal of the socket's family; `done` gets the error of this one datagram. Never throws. */
  send(data: Uint8Array, port: number, address: string, done: (error: Error | null) => void): void;
  /** Joins a group on the link that has `linkAddress`; throws an error with a `code`. */
  joinGroup(group: string, linkAddress: string): void;
  /** Multicast leaves through the link that has `linkAddress`, with this time to live. */
  sendMulticastVia(linkAddress: string, ttl: number): void;
  /** Stops receiving and frees the port; safe to call twice. */
  close(): void;
}

/** Binds a socket; rejects with an error that has a `code` such as EADDRINUSE. */
export type UdpSocketFactory = (binding: UdpBinding, handlers: UdpHandlers) => Promise<UdpSocket>;
