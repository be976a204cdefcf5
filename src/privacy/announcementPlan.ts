/**
 * When a node with `--privacy` announces itself, and for whom else it speaks: Go nodes, and nodes without `--privacy`, announce nothing
 * by stem and fluff, so a neighbour does it for them and the mesh stays one. Pure; times are monotonic milliseconds.
 */
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";

/** The first tunnels of a start come up together: the wait lets there be more than one to choose from. */
const SETTLE_MS = 500;
const SETTLE_SPREAD_MS = 1_000;
/** Something about us changed; changes come in twos and threes. */
const CHANGED_MS = 1_000;
const LEAST_BETWEEN_MS = 5_000;
/**
 * Again now and then, for whoever could not hear: two halves of a mesh that were apart, or a loss. Rarer in large meshes, since each
 * announcement is sent a dozen times by every node: under five messages a second and node at any size.
 */
const EVERY_MS = 180_000;
const EVERY_MORE_MS_A_NODE = 2_000;
const JITTER = 0.2;
/** How long a neighbour may be silent before somebody speaks for it; by chance, so that one does and the others hear it. */
const SILENCE_MS = 5_000;
const SILENCE_SPREAD_MS = 15_000;

export class AnnouncementPlan {
  readonly #random: Random;
  #ownAtMs = Number.POSITIVE_INFINITY;
  #lastOwnAtMs = Number.NEGATIVE_INFINITY;
  /** Our neighbours, and when to speak for each. */
  readonly #speakAtMs = new Map<PublicKey, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The tunnel to a peer works. */
  connected(publicKey: PublicKey, nowMs: number): void {
    if (!this.#speakAtMs.has(publicKey)) {
      this.#speakAtMs.set(publicKey, nowMs + SILENCE_MS + this.#random.unit() * SILENCE_SPREAD_MS);
    }
    if (this.#lastOwnAtMs !== Number.NEGATIVE_INFINITY) return;
    this.#ownAtMs = Math.min(this.#ownAtMs, nowMs + SETTLE_MS + this.#random.unit() * SETTLE_SPREAD_MS);
  }

  disconnected(publicKey: PublicKey): void {
    this.#speakAtMs.delete(publicKey);
  }

  /** What we tell others of ourselves is no longer what we told. */
  changed(nowMs: number): void {
    if (this.#lastOwnAtMs === Number.NEGATIVE_INFINITY) return;
    const soonestMs = Math.max(nowMs, this.#lastOwnAtMs + LEAST_BETWEEN_MS);
    this.#ownAtMs = Math.min(this.#ownAtMs, soonestMs + CHANGED_MS * (1 + this.#random.unit()));
  }

  /** An announcement of that origin is on its way to everybody. `nodes`: of the mesh, as far as known. */
  heard(origin: PublicKey, nodes: number, nowMs: number): void {
    if (this.#speakAtMs.has(origin)) this.#speakAtMs.set(origin, this.#speakAgainAtMs(nodes, nowMs));
  }

  /** True when it is time for our own announcement, which then counts as made. */
  takeOwn(nodes: number, nowMs: number): boolean {
    if (nowMs < this.#ownAtMs) return false;
    this.#lastOwnAtMs = nowMs;
    this.#ownAtMs = nowMs + periodMs(nodes) * (1 - JITTER + 2 * JITTER * this.#random.unit());
    return true;
  }

  /** The neighbours that somebody has to speak for. */
  takeOthers(nodes: number, nowMs: number): PublicKey[] {
    const due = [...this.#speakAtMs].filter(([, atMs]) => atMs <= nowMs).map(([publicKey]) => publicKey);
    for (const publicKey of due) this.#speakAtMs.set(publicKey, this.#speakAgainAtMs(nodes, nowMs));
    return due;
  }

  nextAtMs(): number {
    return Math.min(this.#ownAtMs, ...this.#speakAtMs.values());
  }

  /** Later than the origin's own next word. */
  #speakAgainAtMs(nodes: number, nowMs: number): number {
    return nowMs + periodMs(nodes) * (2 + this.#random.unit());
  }
}

const periodMs = (nodes: number): number => EVERY_MS + nodes * EVERY_MORE_MS_A_NODE;
