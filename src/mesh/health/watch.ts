/**
 * Keeps the health of all peers (row E4) and does what follows from it. What is decided is state.ts's business.
 */
import type { Clock } from "../../core/clock.ts";
import { type Endpoint, type IpAddress, type PublicKey, parseIp } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { PathTable } from "../../peers/paths.ts";
import type { Peer, PeerEvent } from "../../peers/peer.ts";
import { isMention } from "../../peers/rank.ts";
import type { PeerStore } from "../../peers/store.ts";
import type { ActualPeer } from "../../wireguard/backend.ts";
import { Questions } from "./questions.ts";
import {
  ANSWER_WITHIN_MS,
  coolHealth,
  type HealthEffect,
  type HealthEvent,
  type HealthRules,
  newHealth,
  nextAtMs,
  type PeerHealth,
  rulesFor,
  stepHealth,
} from "./state.ts";
import type { HealthTable } from "./table.ts";

export interface HealthWatchOptions {
  readonly clock: Clock;
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly table: HealthTable;
  readonly ownKey: PublicKey;
  /** One question through the tunnel, on all its addresses when `thorough`; false when no answer came in time. Never rejects. */
  ask(peer: Peer, thorough: boolean, timeoutMs: number): Promise<boolean>;
  /** Where else the peer may be. */
  otherPlaces(peer: Peer): readonly Endpoint[];
  /** Starts a handshake anew, towards `to` or, when that is null, where the peer is known to be. */
  restartHandshake(publicKey: PublicKey, to: Endpoint | null): void;
  /** What is wanted of the interface has changed. */
  changed(): void;
  /** What an operator may want to know of. */
  tell(effect: HealthEffect, publicKey: PublicKey, hostname: string): void;
}

/** A timer that is later than this means that this node had no time, or slept. */
const LATE_MS = 1_500;
/** WireGuard has given a session up by then. */
const DEAD_MS = 190_000;
/** Who is heard has a path, in one direction at least: WireGuard is not made to leave it while it has a session. */
const HEARD_MS = 15_000;

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #questions = new Questions();
  /** Which place was tried last, by peer. */
  readonly #turns = new Map<PublicKey, number>();
  #wake: (() => void) | null = null;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
  }

  /** Takes what the reconciler has read of the interface. */
  noted(peers: readonly ActualPeer[]): void {
    const { clock, table } = this.#options;
    const wallMs = clock.wallMs();
    const there = new Set<PublicKey>();
    for (const { publicKey, lastHandshakeMs, rxBytes } of peers) {
      there.add(publicKey);
      const handshakeAgeMs = wallMs - lastHandshakeMs;
      const event = { type: "read", handshakeMs: lastHandshakeMs, handshakeAgeMs, rxBytes } as const;
      if (table.get(publicKey) !== undefined) this.#step(publicKey, event);
      else if (isConnected(lastHandshakeMs, wallMs)) {
        table.set(publicKey, newHealth(event, clock.monotonicMs(), this.#rules(publicKey)));
      }
    }
    for (const [publicKey] of table.entries()) {
      if (!there.has(publicKey)) this.#step(publicKey, { type: "absent" });
    }
    this.#wake?.();
  }

  /** A peer has asked us, from its mesh address: our answer to its first packet had reached it. */
  asked(from: string): void {
    const address = parseIp(from);
    const peer = address === null ? undefined : this.#holderOf(address);
    if (peer !== undefined) this.#step(peer.publicKey, { type: "asked" });
  }

  /** What was sent to them is not answered. */
  silent(peers: readonly PublicKey[]): void {
    for (const publicKey of peers) this.#step(publicKey, { type: "silent" });
    this.#wake?.();
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, paths, store, table } = this.#options;
    const ends = [
      store.subscribe((event) => this.#storeChanged(event)),
      // Punching and relays found a path by the peer's own proof.
      paths.subscribe((publicKey, path) => {
        if ("endpoint" in path && path.endpoint !== null) this.#step(publicKey, { type: "word" });
      }),
    ];
    try {
      while (!signal.aborted) {
        const dueMs = Math.min(...table.entries().map(([, peer]) => nextAtMs(peer)));
        await this.#until(dueMs, signal);
        const durationMs = clock.monotonicMs() - dueMs;
        const slept = durationMs > LATE_MS;
        for (const [publicKey] of table.entries()) {
          if (slept) this.#step(publicKey, { type: "slept", durationMs });
          this.#step(publicKey, { type: "time" });
        }
      }
    } finally {
      for (const end of ends) end();
    }
  }

  #storeChanged(event: PeerEvent): void {
    const { table, clock } = this.#options;
    const { publicKey, methods } = event.peer;
    if (event.type !== "removed") {
      const spoke = event.type === "added" ? !methods.every(isMention) : event.changed.has("lastSeenMs");
      if (spoke) this.#step(publicKey, { type: "word" });
    } else if (event.reason === "goodbye") {
      if (table.get(publicKey) === undefined) table.set(publicKey, coolHealth(clock.monotonicMs()));
      else this.#step(publicKey, { type: "goodbye" });
      this.#wake?.();
    } else if (event.reason !== "evicted") {
      table.forget(publicKey);
    }
    if (event.type === "removed") this.#turns.delete(publicKey);
  }

  #rules(publicKey: PublicKey): HealthRules {
    const { ownKey, store, table } = this.#options;
    return rulesFor(ownKey < publicKey, store.size, table.troubled);
  }

  #step(publicKey: PublicKey, event: HealthEvent): void {
    const { clock, table } = this.#options;
    const before = table.get(publicKey);
    if (before === undefined) return;
    const { peer, effects } = stepHealth(before, event, clock.monotonicMs(), this.#rules(publicKey));
    if (peer !== before) table.set(publicKey, peer);
    for (const effect of effects) this.#act(effect, publicKey, peer);
    if (effects.length > 0) this.#wake?.();
  }

  #act(effect: HealthEffect, publicKey: PublicKey, health: PeerHealth): void {
    const { changed, paths, store, table, tell } = this.#options;
    const peer = store.get(publicKey);
    tell(effect, publicKey, peer?.hostname ?? "");
    if (effect === "ask") this.#ask(publicKey, health);
    if (effect === "look") paths.report({ kind: "silent", publicKey });
    if (effect === "recovered") paths.report({ kind: "heard", publicKey });
    if (effect === "try" && peer !== undefined) this.#try(peer, health);
    if (effect === "evict") store.remove(publicKey, "evicted");
    if (effect === "readmitted") changed();
    if (effect === "forget") table.forget(publicKey);
  }

  #ask(publicKey: PublicKey, { misses, state }: PeerHealth): void {
    const { ask, clock, store } = this.#options;
    this.#questions.add(async () => {
      const peer = store.get(publicKey);
      if (peer === undefined) return this.#step(publicKey, { type: "missed" });
      const startMs = clock.monotonicMs();
      const answered = await ask(peer, misses > 0 || state !== "healthy", ANSWER_WITHIN_MS);
      const late = clock.monotonicMs() - startMs > ANSWER_WITHIN_MS + LATE_MS;
      this.#step(publicKey, { type: answered ? "answered" : late ? "missed" : "unanswered" });
      this.#wake?.();
    });
  }

  /** WireGuard goes on with the last endpoint; so each turn is another one's, and the last one's when all had theirs. */
  #try(peer: Peer, { shookAtMs, heardAtMs }: PeerHealth): void {
    const { clock, otherPlaces, restartHandshake } = this.#options;
    const nowMs = clock.monotonicMs();
    const places = otherPlaces(peer);
    const isDead = nowMs - shookAtMs >= DEAD_MS;
    if (!isDead && (places.length === 0 || nowMs - heardAtMs < HEARD_MS)) return;
    const turn = this.#turns.get(peer.publicKey) ?? 0;
    this.#turns.set(peer.publicKey, turn + 1);
    restartHandshake(peer.publicKey, places[turn % (places.length + 1)] ?? null);
  }

  #holderOf(address: IpAddress): Peer | undefined {
    return this.#options.store.list().find((peer) => peer.meshIp === address || peer.meshIpv6 === address);
  }

  /** Until that time, or until something is due sooner. */
  #until(dueMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      let cancel = (): void => {};
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        this.#wake = null;
        resolve();
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
      if (Number.isFinite(dueMs)) cancel = clock.after(Math.max(0, dueMs - clock.monotonicMs()), done);
    });
  }
}
