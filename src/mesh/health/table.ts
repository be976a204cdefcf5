/**
 * The health of all peers: written by {@link HealthWatch}, read by whoever has to choose between peers or shows them.
 */
import { DueTimes } from "../../core/dueTimes.ts";
import type { PublicKey } from "../../core/types.ts";
import { PEER_HEALTH_STATES, type PeerHealthState } from "../../peers/healthState.ts";
import { isOut, nextAtMs, type PeerHealth } from "./state.ts";

type HealthListener = (
  publicKey: PublicKey,
  state: PeerHealthState | null,
  before: PeerHealthState | null,
) => void;

export class HealthTable {
  readonly #peers = new Map<PublicKey, PeerHealth>();
  readonly #due = new DueTimes<PublicKey>();
  readonly #listeners = new Set<HealthListener>();
  readonly #counts = Object.fromEntries(PEER_HEALTH_STATES.map((state) => [state, 0])) as Record<
    PeerHealthState,
    number
  >;

  get(publicKey: PublicKey): PeerHealth | undefined {
    return this.#peers.get(publicKey);
  }

  /** Null for a peer without a tunnel so far. */
  stateOf(publicKey: PublicKey): PeerHealthState | null {
    return this.#peers.get(publicKey)?.state ?? null;
  }

  /** Evicted, or gone with a goodbye, and has not spoken for itself since: not to be given to WireGuard, nor a route. */
  isOut(publicKey: PublicKey): boolean {
    const peer = this.#peers.get(publicKey);
    return peer !== undefined && isOut(peer);
  }

  /** On the interface, and does not answer. */
  isTroubled(publicKey: PublicKey): boolean {
    const state = this.stateOf(publicKey);
    return state === "suspect" || state === "reconnecting";
  }

  entries(): [PublicKey, PeerHealth][] {
    return [...this.#peers];
  }

  get size(): number {
    return this.#peers.size;
  }

  keys(): IterableIterator<PublicKey> {
    return this.#peers.keys();
  }

  /** When the first of them has something to do, monotonic milliseconds; null for none. */
  nextAtMs(): number | null {
    return this.#due.nextAtMs();
  }

  /** Those that have something to do at `nowMs`. */
  due(nowMs: number): PublicKey[] {
    return this.#due.due(nowMs);
  }

  /** How many peers are in each state. */
  counts(): Readonly<Record<PeerHealthState, number>> {
    return { ...this.#counts };
  }

  /** How many are on the interface and do not answer. */
  get troubled(): number {
    return this.#counts.suspect + this.#counts.reconnecting;
  }

  /** Listeners are called at once, and only when the state differs. */
  set(publicKey: PublicKey, peer: PeerHealth): void {
    const before = this.stateOf(publicKey);
    this.#peers.set(publicKey, peer);
    this.#due.set(publicKey, nextAtMs(peer));
    if (before === peer.state) return;
    if (before !== null) this.#counts[before] -= 1;
    this.#counts[peer.state] += 1;
    this.#tell(publicKey, peer.state, before);
  }

  forget(publicKey: PublicKey): void {
    const before = this.stateOf(publicKey);
    if (before === null) return;
    this.#peers.delete(publicKey);
    this.#due.delete(publicKey);
    this.#counts[before] -= 1;
    this.#tell(publicKey, null, before);
  }

  /** Calls back after each change of a state; null is not judged. The returned function ends that. */
  subscribe(listener: HealthListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(publicKey: PublicKey, state: PeerHealthState | null, before: PeerHealthState | null): void {
    for (const listener of [...this.#listeners]) listener(publicKey, state, before);
  }
}
