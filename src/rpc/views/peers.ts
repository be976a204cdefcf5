/**
 * The peers, with what the interface says of them.
 */
import type { PublicKey } from "../../core/types.ts";
import type { PeerHealthState } from "../../peers/healthState.ts";
import type { PeerPath } from "../../peers/paths.ts";
import type { Peer, RemovalReason } from "../../peers/peer.ts";

/** A peer with what the interface says of it. */
export interface PeerView extends Peer {
  /** `connected`: a handshake in the last 180 s; `known`: none yet; `idle`: one, but older. */
  readonly state: "connected" | "idle" | "known";
  readonly path: PeerPath;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Round trip through the tunnel in milliseconds, null until measured. */
  readonly latencyMs: number | null;
  /** Null for a peer without a tunnel so far. */
  readonly health: PeerHealthState | null;
}

/** One measurement of `peers.ping`. */
export interface PingOutcome {
  /** Of the peer, as it was when the answer came, or the time was over. */
  readonly peer: PeerView;
  /** Milliseconds through the tunnel; null when no answer came in time. */
  readonly rttMs: number | null;
  /** The mesh address that answered, or null. */
  readonly address: string | null;
}

/** A peer that is known no more. Times are Unix milliseconds. */
export interface DepartedView {
  readonly peer: Peer;
  readonly reason: RemovalReason;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface PeersView {
  /** Every known peer; `active` ones were seen, or had a handshake, under 5 minutes ago. */
  peers(): PeerView[];
  isActive(peer: PeerView): boolean;
  /** Who left, was evicted or expired in the last ten minutes and has not come back; the oldest first. */
  departed(): DepartedView[];
  /** Measures one round trip through the tunnel; rejects with ERR_PEER_UNKNOWN. */
  ping(publicKey: PublicKey): Promise<PingOutcome>;
}
