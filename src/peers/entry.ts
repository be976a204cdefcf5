import type { Peer } from "./peer.ts";

/** A record and what the store alone needs. Ages are taken on the monotonic clock, since wall clocks jump. */
export interface Entry {
  peer: Peer;
  readonly source: string;
  readonly sinceMs: number;
  /** Last direct word or handshake; -Infinity for never. Rules what is active. */
  aliveAtMs: number;
  /**
   * When the peer was last heard by anybody, as far as that is known: as above, or by the teller of a mention with an age. What
   * others are told goes by it.
   */
  heardAtMs: number;
  /** Last news that keeps the entry: as above or, before the first direct word, a mention. Rules what expires. */
  newsAtMs: number;
  handshakeAtMs: number;
  /** The peer's clock in its newest word, Unix seconds. */
  lastWordSeconds: number;
  wasConnected: boolean;
}

/** Of a peer that was never heard; its addresses are judged afterwards. */
export function newEntry(peer: Peer, source: string, sinceMs: number): Entry {
  const never = Number.NEGATIVE_INFINITY;
  return {
    peer: { ...peer, meshIp: null, meshIpv6: null },
    source,
    sinceMs,
    aliveAtMs: never,
    heardAtMs: never,
    newsAtMs: never,
    handshakeAtMs: never,
    lastWordSeconds: 0,
    wasConnected: false,
  };
}
