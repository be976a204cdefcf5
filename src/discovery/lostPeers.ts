/**
 * Peers that fell silent and were evicted or expired are asked again now and then where they were last, for a day: two halves of a mesh
 * that were parted for longer than records live find each other without multicast or DHT. Pure but for its pacemaker.
 */
import type { Clock } from "../core/clock.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import { isMention } from "../peers/rank.ts";
import type { PeerStore } from "../peers/store.ts";
import type { ContactRequest } from "./contactQueue.ts";

export interface LostPeersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: PeerStore;
  /** Where the peer's control socket may be, the likeliest first. */
  places(peer: Peer): Endpoint[];
  contact(request: ContactRequest): void;
}

interface Lost {
  readonly publicKey: PublicKey;
  /** Asked in turn, the likeliest first. */
  readonly places: readonly Endpoint[];
  readonly sinceMs: number;
  /** It had a tunnel minutes ago, and is to be back within 5 s of being well (row E4). */
  readonly evicted: boolean;
  tries: number;
  triedAtMs: number;
}

/** One of the other half is enough: it tells of the rest. */
const MAX_LOST = 64;
/** One at a time, so that a node alone in the world sends next to nothing. */
const TRY_EVERY_MS = 5_000;
const JITTER = 0.2;
/** Each is asked ever more rarely: after a twentieth of the time it is lost, at least this. */
const LEAST_AGAIN_MS = 15_000;
const AGAIN_SHARE = 0.05;
/** For those who were evicted lately, which is a matter of minutes. */
const EVICTED_TRY_EVERY_MS = 700;
const EVICTED_AGAIN_MS = 2_500;
const LATELY_MS = 10 * 60_000;
const MAX_PLACES = 3;
/** As long as the peer cache remembers (PROTOCOL.md section 14). */
const FORGET_MS = 24 * 3_600_000;

export class LostPeers {
  readonly #options: LostPeersOptions;
  /** The longest untried first. */
  readonly #lost = new Map<PublicKey, Lost>();
  readonly #pacemaker: Pacemaker;
  #nextAtMs: number | null = null;

  constructor(options: LostPeersOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => this.#nextAtMs,
      act: (nowMs) => this.#act(nowMs),
    });
  }

  get size(): number {
    return this.#lost.size;
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#options.store.subscribe((event) => this.#changed(event));
    try {
      await this.#pacemaker.run(signal);
    } finally {
      unsubscribe();
      this.#lost.clear();
    }
  }

  /** The host is in another network, or in one again: nobody was lost for long. */
  networkChanged(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [publicKey, lost] of this.#lost) {
      this.#lost.set(publicKey, { ...lost, sinceMs: nowMs, triedAtMs: Number.NEGATIVE_INFINITY });
    }
    this.#plan(nowMs);
  }

  #changed(event: PeerEvent): void {
    const { peer } = event;
    if (event.type !== "removed") {
      // What others tell of it is no word of its own.
      const spoke = event.type === "added" ? !peer.methods.every(isMention) : event.changed.has("lastSeenMs");
      if (spoke) this.#lost.delete(peer.publicKey);
      return;
    }
    // Who left or never spoke is not missed.
    const evicted = event.reason === "evicted";
    const places = this.#options.places(peer).slice(0, MAX_PLACES);
    if (!(evicted || event.reason === "expired") || places.length === 0 || peer.lastSeenMs === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    const { publicKey } = peer;
    const triedAtMs = Number.NEGATIVE_INFINITY;
    this.#lost.set(publicKey, { publicKey, places, sinceMs: nowMs, evicted, tries: 0, triedAtMs });
    const [oldest] = this.#lost.keys();
    if (this.#lost.size > MAX_LOST && oldest !== undefined) this.#lost.delete(oldest);
    this.#plan(nowMs);
  }

  #act(nowMs: number): void {
    for (const [publicKey, lost] of this.#lost) {
      const brief = isUrgent(lost, nowMs);
      const againMs = brief
        ? EVICTED_AGAIN_MS
        : Math.max(LEAST_AGAIN_MS, AGAIN_SHARE * (nowMs - lost.sinceMs));
      if (nowMs - lost.triedAtMs < againMs) continue;
      this.#lost.delete(publicKey);
      if (nowMs - lost.sinceMs > FORGET_MS) continue;
      this.#lost.set(publicKey, { ...lost, triedAtMs: nowMs, tries: lost.tries + 1 });
      const to = lost.places[lost.tries % lost.places.length];
      if (to) this.#options.contact({ to, publicKey, reason: "dht", purpose: "ask", small: true, brief });
      break;
    }
    this.#nextAtMs = null;
    this.#plan(nowMs);
  }

  #plan(nowMs: number): void {
    if (this.#lost.size === 0 || this.#nextAtMs !== null) return;
    const urgent = [...this.#lost.values()].some((lost) => isUrgent(lost, nowMs));
    const everyMs = urgent ? EVICTED_TRY_EVERY_MS : TRY_EVERY_MS;
    this.#nextAtMs = nowMs + everyMs * (1 - JITTER + 2 * JITTER * this.#options.random.unit());
    this.#pacemaker.wake();
  }
}

const isUrgent = ({ evicted, sinceMs }: Lost, nowMs: number): boolean =>
  evicted && nowMs - sinceMs < LATELY_MS;
