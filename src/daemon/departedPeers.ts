/**
 * Who was here a moment ago: peers that left, were evicted or expired. Only for operators to see (`wgmesh peers list --all`); what keeps a
 * peer that left from coming back by hearsay is peers/tombstones.ts, for as long.
 */
import type { Clock } from "../core/clock.ts";
import type { PublicKey } from "../core/types.ts";
import type { Peer, RemovalReason } from "../peers/peer.ts";
import { TOMBSTONE_MS } from "../peers/tombstones.ts";

/** A peer that the store holds no more. Times are Unix milliseconds. */
export interface DepartedPeer {
  readonly peer: Peer;
  readonly reason: RemovalReason;
  readonly sinceMs: number;
  /** From then on nothing is known of it here, and others may mention it again. */
  readonly untilMs: number;
}

interface Departure {
  readonly peer: Peer;
  readonly reason: RemovalReason;
  /** Monotonic: a clock that is set makes nobody leave earlier. */
  readonly atMs: number;
}

/** As many as there can be tombstones. */
const MOST = 1024;

export class DepartedPeers {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #departures = new Map<PublicKey, Departure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A peer that another with the same address replaced never was one of the mesh that an operator would miss. */
  left(peer: Peer, reason: RemovalReason): void {
    const { publicKey } = peer;
    this.#departures.delete(publicKey);
    if (reason === "replaced") return;
    this.#departures.set(publicKey, { peer, reason, atMs: this.#clock.monotonicMs() });
    const [oldest] = this.#departures.keys();
    if (this.#departures.size > MOST && oldest !== undefined) this.#departures.delete(oldest);
  }

  back(publicKey: PublicKey): void {
    this.#departures.delete(publicKey);
  }

  /** The oldest first. */
  list(): DepartedPeer[] {
    const [nowMs, wallMs] = [this.#clock.monotonicMs(), this.#clock.wallMs()];
    for (const [publicKey, { atMs }] of this.#departures) {
      if (nowMs - atMs >= TOMBSTONE_MS) this.#departures.delete(publicKey);
    }
    return Array.from(this.#departures.values(), ({ peer, reason, atMs }) => {
      const sinceMs = wallMs - (nowMs - atMs);
      return { peer, reason, sinceMs, untilMs: sinceMs + TOMBSTONE_MS };
    });
  }
}
