/**
 * What the interface holds in addition while the mesh moves to a new secret (row E7): the peers of the next mesh, and the addresses that
 * peers have in two meshes. And which preshared key a pair uses.
 *
 * A preshared key counts from the next handshake on, so the running session carries over a change. Two ends that have changed agree
 * again at once; each changes when the other has spoken under the new secret, so within an exchange of HELLO and REPLY. Sessions
 * are renewed by the initiator after 120 s and end after 180 s: that is a minute in which both ends have to have changed, or nothing is
 * lost but an attempt. Should one have changed and the other not for longer (its word was lost, or it has gone back), the one that has
 * changed tries both keys by turns, so that one attempt of three meets the other's key.
 */
import type { IpAddress, PublicKey } from "../core/types.ts";
import type { Peer } from "../peers/peer.ts";

export interface Moving {
  /** The known peers, and those of the next mesh alone. */
  join(known: readonly Peer[]): readonly Peer[];
  /** What the peer is reached at beside the addresses of its record. */
  addressesOf(publicKey: PublicKey): readonly IpAddress[];
  /** `nowMs` is Unix time. */
  presharedKeyOf(peer: Peer, nowMs: number): "next" | undefined;
  /** Nothing changes any more by time alone. */
  readonly settled: boolean;
}

/** A session that began this long ago should have been renewed by now. */
const OVERDUE_MS = 150_000;
/** WireGuard tries a handshake every 5 s. */
const TURN_MS = 5_000;
const TURNS = 3;

/** Which key to use with a peer that has shown to have the new secret. */
export function keyInTurn(lastHandshakeMs: number, shownAgoMs: number, nowMs: number): "next" | undefined {
  const overdue = lastHandshakeMs > 0 && nowMs - lastHandshakeMs > OVERDUE_MS;
  // Who has only just shown it is changing now.
  if (!overdue || shownAgoMs < TURN_MS * TURNS) return "next";
  return Math.floor(nowMs / TURN_MS) % TURNS === 0 ? undefined : "next";
}
