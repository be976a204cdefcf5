/**
 * Keeps the health of all peers (row E4) and does what follows from it. What is decided is state.ts's business.
 */
import type { Clock } from "../../core/clock.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, type PublicKey, parseIp } from "../../core/types.ts";
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
  withHealth,
} from "./state.ts";
import type { HealthTable } from "./table.ts";

export interface HealthWatchOptions {
  readonly clock: Clock;
  readonly random: Pick<Random, "unit">;
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly table: HealthTable;
  readonly ownKey: PublicKey;
  /**
   * One question through the tunnel, on all its addresses when `thorough`: when the answer came, monotonic milliseconds, null when none
   * came in time. May tell of an answer later than it came. Never rejects.
   */
  ask(peer: Peer, thorough: boolean, timeoutMs: number): Promise<number | null>;
  /** Has told what is known already: nobody needs to be asked who has asked us meanwhile. */
  look?(): void;
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
  readonly #pacemaker: Pacemaker;
  /** When the interface was read last. */
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** What the pacemaker waits for. */
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => {
        const nextMs = options.table.nextAtMs();
        this.#dueMs = nextMs ?? Number.POSITIVE_INFINITY;
        return nextMs;
      },
      act: (nowMs) => this.#pass(nowMs),
    });
  }

  /** Takes what the reconciler has read of the interface. */
  noted(peers: readonly ActualPeer[]): void {
    const { clock, store, table } = this.#options;
    const wallMs = clock.wallMs();
    for (const { publicKey, lastHandshakeMs, rxBytes } of peers) {
      const known = table.get(publicKey);
      // The rule at rest; when it was seen last is told with the next change.
      if (known !== undefined && known.handshakeMs === lastHandshakeMs && known.rxBytes === rxBytes) continue;
      const handshakeAgeMs = wallMs - lastHandshakeMs;
      const event = { type: "read", handshakeMs: lastHandshakeMs, handshakeAgeMs, rxBytes } as const;
      if (known !== undefined) {
        table.set(publicKey, withHealth(known, { readAtMs: Math.max(known.readAtMs, this.#readAtMs) }));
        this.#step(publicKey, event);
      } else if (isConnected(lastHandshakeMs, wallMs) && store.get(publicKey) !== undefined) {
        // One that is no peer any more is taken off the interface next; nobody would end its questions.
        this.#set(publicKey, newHealth(event, clock.monotonicMs(), this.#rules(publicKey)));
      }
    }
    this.#readAtMs = clock.monotonicMs();
    this.#noteAbsent(peers);
  }

  #noteAbsent(peers: readonly ActualPeer[]): void {
    const { table } = this.#options;
    let known = 0;
    for (const { publicKey } of peers) if (table.get(publicKey) !== undefined) known += 1;
    if (known === table.size) return;
    const there = new Set(peers.map(({ publicKey }) => publicKey));
    for (const publicKey of table.keys()) {
      if (!there.has(publicKey)) this.#step(publicKey, { type: "absent" });
    }
  }

  /** A peer has asked us, from its mesh address: our answer to its first packet had reached it at `atMs`, or now. */
  asked(from: string, atMs?: number): void {
    const address = parseIp(from);
    const publicKey = address === null ? undefined : this.#options.store.holderOf(address);
    if (publicKey !== undefined) this.#step(publicKey, { type: "asked" }, atMs);
  }

  /** What was sent to them is not answered. */
  silent(peers: readonly PublicKey[]): void {
    for (const publicKey of peers) this.#step(publicKey, { type: "silent" });
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { paths, store } = this.#options;
    const ends = [
      store.subscribe((event) => this.#storeChanged(event)),
      // Punching and relays found a path by the peer's own proof.
      paths.subscribe((publicKey, path) => {
        if ("endpoint" in path && path.endpoint !== null) this.#step(publicKey, { type: "word" });
      }),
    ];
    try {
      await this.#pacemaker.run(signal);
    } finally {
      for (const end of ends) end();
    }
  }

  #pass(nowMs: number): void {
    this.#options.look?.();
    const durationMs = nowMs - this.#dueMs;
    const slept = durationMs > LATE_MS;
    const { table } = this.#options;
    if (slept) this.#readAtMs += durationMs;
    if (slept)
      for (const [publicKey] of table.entries()) this.#step(publicKey, { type: "slept", durationMs });
    const due = slept ? [...table.keys()] : table.due(nowMs);
    for (const publicKey of due) this.#step(publicKey, { type: "time" });
  }

  #storeChanged(event: PeerEvent): void {
    const { table, clock } = this.#options;
    const { publicKey, methods } = event.peer;
    if (event.type !== "removed") {
      const spoke = event.type === "added" ? !methods.every(isMention) : event.changed.has("lastSeenMs");
      if (spoke) this.#step(publicKey, { type: "word" });
    } else if (event.reason === "goodbye") {
      if (table.get(publicKey) === undefined) this.#set(publicKey, coolHealth(clock.monotonicMs()));
      else this.#step(publicKey, { type: "goodbye" });
    } else if (event.reason !== "evicted") {
      table.forget(publicKey);
    }
    if (event.type === "removed") this.#turns.delete(publicKey);
  }

  #rules(publicKey: PublicKey): HealthRules {
    const { ownKey, random, store, table } = this.#options;
    return rulesFor(ownKey < publicKey, store.size, table.troubled, random.unit());
  }

  #set(publicKey: PublicKey, peer: PeerHealth): void {
    this.#options.table.set(publicKey, peer);
    if (nextAtMs(peer) < this.#dueMs) this.#pacemaker.wake();
  }

  /** @param atMs when it happened, monotonic; now when left out. */
  #step(publicKey: PublicKey, event: HealthEvent, atMs = this.#options.clock.monotonicMs()): void {
    const { table } = this.#options;
    const before = table.get(publicKey);
    if (before === undefined) return;
    const { peer, effects } = stepHealth(before, event, atMs, this.#rules(publicKey));
    if (peer !== before) this.#set(publicKey, peer);
    for (const effect of effects) this.#act(effect, publicKey, peer);
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
    const { ask, clock, store, table } = this.#options;
    this.#questions.add(async () => {
      const peer = store.get(publicKey);
      // It would be due again at once, and for ever.
      if (peer === undefined && !table.isOut(publicKey)) return table.forget(publicKey);
      if (peer === undefined) return this.#step(publicKey, { type: "missed" });
      const startMs = clock.monotonicMs();
      const answeredAtMs = await ask(peer, misses > 0 || state !== "healthy", ANSWER_WITHIN_MS);
      if (answeredAtMs !== null) return this.#step(publicKey, { type: "answered" }, answeredAtMs);
      const late = clock.monotonicMs() - startMs > ANSWER_WITHIN_MS + LATE_MS;
      this.#step(publicKey, { type: late ? "missed" : "unanswered" });
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
}
