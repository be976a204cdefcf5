/**
 * This node as a relay: it agrees with members on sessions, whose packets the data plane then passes on without being able to read
 * them. Only members that prove themselves are served, and only towards nodes of ours; everything is bounded (allocations.ts).
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import type { Random } from "../../core/random.ts";
import type { PublicKey } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeerStore } from "../../peers/store.ts";
import {
  type Refusal,
  type RelayContent,
  type RelayMessage,
  SESSION_BYTES,
  TOKEN_BYTES,
} from "../../wire/relay.ts";
import { type Allocation, Allocations, IDLE_MS } from "./allocations.ts";
import type { RelayLimits, RelayPlane, RelayServer } from "./plane.ts";

export interface RelayServiceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly plane: RelayPlane;
  /** `--relay-port`, 0 for any. */
  readonly port: number;
  /** `--relay-limit`, bytes per second. */
  readonly limitBytesPerSecond: number;
  seal(to: PublicKey, message: RelayMessage): Uint8Array;
  tell(peer: Peer, data: Uint8Array, again: boolean): void;
}

/** One pair must not take all. */
const PAIR_SHARE = 4;
const LOOK_EVERY_MS = 5_000;
/** A port that cannot be had is tried again. */
const RETRY_MS = 10_000;

export class RelayService {
  readonly #options: RelayServiceOptions;
  readonly #allocations = new Allocations();
  readonly #pacemaker: Pacemaker;
  #limitBytesPerSecond: number;
  #server: RelayServer | null = null;
  #lastError: string | null = null;
  #retryAtMs = 0;
  #lookAtMs = 0;

  constructor(options: RelayServiceOptions) {
    this.#options = options;
    this.#limitBytesPerSecond = options.limitBytesPerSecond;
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => (this.#server === null ? null : this.#lookAtMs),
      act: (nowMs) => this.#look(nowMs),
    });
  }

  get pairs(): number {
    return this.#allocations.size;
  }

  get lastError(): string | null {
    return this.#lastError;
  }

  /** Bytes per second, of all pairs together; those that are relayed go on. */
  setLimit(limitBytesPerSecond: number): void {
    if (limitBytesPerSecond === this.#limitBytesPerSecond) return;
    this.#limitBytesPerSecond = limitBytesPerSecond;
    this.#server?.setLimits(this.#limits());
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pacemaker.run(signal);
  }

  /** Tells all ends, and frees the port. */
  close(): void {
    for (const allocation of this.#allocations.list()) this.#end(allocation, null);
    this.#closeServer();
  }

  /** Takes a proven request. */
  requested(message: RelayMessage & { type: "RELAY_REQUEST" }, again = false): void {
    const { clock, store } = this.#options;
    const nowMs = clock.monotonicMs();
    if (!this.#allocations.admits(message.from, nowMs)) return;
    const asking = store.get(message.from);
    if (asking === undefined) return;
    const other = store.get(message.peer);
    const allocation = this.#allocate(asking, message.peer, other, nowMs);
    if (typeof allocation === "string") {
      this.#say(asking, { type: "RELAY_REFUSE", peer: message.peer, reason: allocation });
      return;
    }
    for (const end of [asking, other])
      if (end !== undefined) this.#offer(end, asking.publicKey, allocation, again);
  }

  /** Takes a proven word of an end that a session is over. */
  closed(from: PublicKey, session: string): void {
    const allocation = this.#allocations.ofId(session);
    if (allocation?.ends.includes(from)) this.#end(allocation, from);
  }

  #allocate(asking: Peer, otherKey: PublicKey, other: Peer | undefined, nowMs: number): Allocation | Refusal {
    const { self, random, log } = this.#options;
    if (!self.snapshot.relays) return "off";
    if (otherKey === self.snapshot.publicKey || other === undefined || !this.#isReached(other))
      return "unknown";
    // Whether it is who it says shows at the ends: each of their words has to be proved.
    if (other.instance === "" && !other.proven) return "foreign";
    const existing = this.#allocations.ofPair(asking.publicKey, otherKey);
    if (existing !== undefined) return existing;
    if (!this.#allocations.hasRoom(asking.publicKey, otherKey)) return "full";
    const server = this.#open(nowMs);
    if (server === null) return "off";
    const allocation: Allocation = {
      id: random.bytes(SESSION_BYTES).toString("hex"),
      ends: [asking.publicKey, otherKey],
      tokens: [random.bytes(TOKEN_BYTES), random.bytes(TOKEN_BYTES)],
      sinceMs: nowMs,
    };
    try {
      server.addSession(allocation.id, allocation.tokens);
    } catch (error) {
      this.#lastError = messageOf(error);
      return "full";
    }
    if (this.#allocations.size === 0) this.#lookAtMs = nowMs + LOOK_EVERY_MS;
    this.#allocations.add(allocation);
    this.#pacemaker.wake();
    log.debug({ peer: asking.publicKey }, "relays a pair");
    return allocation;
  }

  #limits(): RelayLimits {
    const limitBytesPerSecond = this.#limitBytesPerSecond;
    return { limitBytesPerSecond, pairBytesPerSecond: Math.ceil(limitBytesPerSecond / PAIR_SHARE) };
  }

  #open(nowMs: number): RelayServer | null {
    const { plane, port, log } = this.#options;
    if (this.#server !== null || nowMs < this.#retryAtMs) return this.#server;
    try {
      this.#server = plane.openServer({ port, ...this.#limits() });
      this.#lastError = null;
      log.info({ port: this.#server.port }, "relay listens");
    } catch (error) {
      this.#lastError = messageOf(error);
      this.#retryAtMs = nowMs + RETRY_MS;
      log.warn({ port, reason: this.#lastError }, "relay cannot listen");
    }
    return this.#server;
  }

  #offer(end: Peer, lead: PublicKey, { id, ends, tokens }: Allocation, again: boolean): void {
    const server = this.#server;
    if (server === null) return;
    const isFirst = ends[0] === end.publicKey;
    const token = (isFirst ? tokens[0] : tokens[1]).toString("hex");
    const peer = isFirst ? ends[1] : ends[0];
    this.#say(end, { type: "RELAY_OFFER", peer, lead, port: server.port, session: id, token }, again);
  }

  #look(nowMs: number): void {
    const { store } = this.#options;
    this.#lookAtMs = nowMs + LOOK_EVERY_MS;
    const states = new Map(this.#server?.sessions().map((state) => [state.id, state]) ?? []);
    for (const allocation of this.#allocations.list()) {
      const state = states.get(allocation.id);
      const isGone = allocation.ends.some((end) => store.get(end) === undefined);
      const isIdle = state === undefined || state.idleMs > IDLE_MS;
      if (isGone || (isIdle && nowMs - allocation.sinceMs > IDLE_MS)) this.#end(allocation, null);
    }
    // Its thread looks every second for sessions that are over; one that nobody uses is not to wake at all.
    if (this.#allocations.size === 0) this.#closeServer();
  }

  #closeServer(): void {
    this.#server?.close();
    this.#server = null;
  }

  /** `by` knows already. */
  #end(allocation: Allocation, by: PublicKey | null): void {
    const { store } = this.#options;
    this.#allocations.remove(allocation);
    this.#server?.removeSession(allocation.id);
    for (const end of allocation.ends) {
      const peer = end === by ? undefined : store.get(end);
      if (peer !== undefined) this.#say(peer, { type: "RELAY_CLOSE", session: allocation.id });
    }
  }

  #isReached(peer: Peer): boolean {
    const { clock, store } = this.#options;
    return isConnected(peer.lastHandshakeMs, clock.wallMs()) || store.isActive(peer);
  }

  #say(to: Peer, content: RelayContent, again = false): void {
    const { clock, self } = this.#options;
    const timestampSeconds = Math.floor(clock.wallMs() / 1000);
    const message: RelayMessage = { ...content, from: self.snapshot.publicKey, timestampSeconds };
    this.#options.tell(to, this.#options.seal(to.publicKey, message), again);
  }
}
