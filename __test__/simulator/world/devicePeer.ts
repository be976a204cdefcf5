import type { Endpoint, PublicKey } from "../../../src/core/types.ts";
import type { ActualPeer } from "../../../src/wireguard/backend.ts";

/** Keys that both ends have. */
export interface Session {
  readonly id: number;
  readonly initiator: boolean;
  readonly atMs: number;
}

/** A peer of the twin of WireGuard. */
export interface DevicePeer {
  readonly publicKey: PublicKey;
  endpoint: Endpoint | null;
  allowedIps: readonly string[];
  keepaliveSeconds: number;
  lastHandshakeMs: number;
  rxBytes: number;
  txBytes: number;
  session: Session | null;
  /** Its packets are taken for a while after the next one began. */
  previousId: number;
  /** Of an initiation of ours that waits for its response; 0 for none. */
  initiatedId: number;
  initiatedAtMs: number;
  /** Of an initiation that we answered; the first packet under it makes the session. */
  answeredId: number;
  sentAtMs: number;
  /** When data came that nothing was sent after; null when nothing is owed. */
  owesSinceMs: number | null;
  /** When data was sent that nothing came after. */
  unansweredSinceMs: number | null;
  /** As it was read last, null since it changed. */
  picture: ActualPeer | null;
}

/** The peer as a reader of the interface sees it. */
export function pictureOf(peer: DevicePeer): ActualPeer {
  const { publicKey, endpoint, allowedIps, keepaliveSeconds, lastHandshakeMs, rxBytes, txBytes } = peer;
  const hasPresharedKey = true;
  return {
    publicKey,
    endpoint,
    allowedIps,
    keepaliveSeconds,
    lastHandshakeMs,
    rxBytes,
    txBytes,
    hasPresharedKey,
  };
}
