/**
 * Carries out the attempts (attempt.ts): sends their probes from WireGuard's port, answers those of peers, and makes known what was
 * proved.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, endpointText, type PublicKey } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { PathTable } from "../../peers/paths.ts";
import type { PeerStore } from "../../peers/store.ts";
import { type Punch, SESSION_BYTES } from "../../wire/punch.ts";
import type { WireguardPort } from "../seams.ts";
import {
  type Attempt,
  type AttemptEffect,
  type AttemptEvent,
  type AttemptPlan,
  attemptDueMs,
  beginAttempt,
  type Method,
  SPRAY_PER_SECOND,
  stepAttempt,
  WIDE_SOCKETS,
} from "./attempt.ts";
import type { ManySockets, OpenManySockets, PunchedBridge } from "./birthday.ts";
import { Buckets, PunchBudget } from "./budget.ts";
import type { PunchMetrics } from "./punchMetrics.ts";
import type { PunchPort } from "./punchPort.ts";

/** Attempts under way; more wait for their turn. */
const MAX_ATTEMPTS = 32;
const MAX_BRIDGES = 32;
/** Attempts that have many sockets open: 1,024 in all, of the 4,096 mappings that a small router has for a whole household. */
const MAX_WIDE = 4;
/**
 * Initiations of both sides that cross cost 5 s with some WireGuards, so the side of the higher key waits for the other's.
 */
const HIGHER_KEY_WAITS_MS = 500;
/** To one peer; it probes a dozen addresses ten times a second. */
const ANSWERS_PER_SECOND = 60;
const ANSWER_BURST = 120;
const FIRST_PORT = 1_024;
const PORTS = 65_536 - FIRST_PORT;

export interface PuncherOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly ownKey: PublicKey;
  readonly port: WireguardPort;
  readonly messages: PunchPort;
  readonly openMany: OpenManySockets | null;
  readonly metrics: PunchMetrics;
  /** False for addresses that datagrams must not go to. */
  isAllowed(host: string): boolean;
  /** The peer probes, and no attempt of ours runs. */
  probed(publicKey: PublicKey): void;
  /** Both directions to the peer work, and where was made known. */
  proved(publicKey: PublicKey): void;
  /** The attempt is over; `reason` when it failed. */
  ended(publicKey: PublicKey, reason: string | null): void;
}

interface Running {
  attempt: Attempt;
  readonly session: string;
  many: ManySockets | null;
  /** Ports tried by chance. */
  readonly sprayed: Set<number>;
  /** A proved endpoint that is still to be made known, and when. */
  publish: { readonly endpoint: Endpoint; readonly atMs: number } | null;
}

export class Puncher {
  readonly #options: PuncherOptions;
  readonly #running = new Map<PublicKey, Running>();
  readonly #bridges = new Map<PublicKey, { readonly bridge: PunchedBridge; readonly remote: Endpoint }>();
  readonly #budget: PunchBudget;
  readonly #answers = new Buckets(ANSWERS_PER_SECOND, ANSWER_BURST);
  /** Of answers while no attempt of ours runs. */
  readonly #idleSession: string;

  constructor(options: PuncherOptions) {
    this.#options = options;
    this.#budget = new PunchBudget(options.clock.monotonicMs());
    this.#idleSession = this.#newSession();
  }

  get running(): number {
    return this.#running.size;
  }

  get full(): boolean {
    return this.#running.size >= MAX_ATTEMPTS;
  }

  isRunning(publicKey: PublicKey): boolean {
    return this.#running.has(publicKey);
  }

  /** The caller has checked `full` and `isRunning`. */
  begin(publicKey: PublicKey, plan: AttemptPlan): void {
    const attempt = beginAttempt(plan);
    const session = this.#newSession();
    this.#running.set(publicKey, { attempt, session, many: null, sprayed: new Set(), publish: null });
    this.#options.metrics.attempted(
      plan.predicted.length > 0,
      plan.role !== "plain" && (plan.sprayHost !== null || plan.wideTo !== null),
    );
  }

  /** WireGuard has a session with the peer on a direct path, or the peer has gone. */
  connected(publicKey: PublicKey): void {
    this.#step(publicKey, { type: "connected" });
  }

  /** A relay carries the tunnel now: a path has to stay before it is taken. */
  relayed(publicKey: PublicKey): void {
    const running = this.#running.get(publicKey);
    if (running !== undefined) running.publish = null;
    this.#step(publicKey, { type: "relayed" });
  }

  /** Gives a bridge up whose path is no longer used. */
  dropBridge(publicKey: PublicKey): void {
    this.#bridges.get(publicKey)?.bridge.close();
    this.#bridges.delete(publicKey);
  }

  /** What came in on WireGuard's port. */
  receive(data: Buffer, from: Endpoint): void {
    const punch = this.#open(data, from);
    if (punch === null) return;
    const publicKey = punch.from;
    if (punch.seen === null) {
      this.#answer(punch, from, (answer) => this.#options.port.send(answer, from));
      if (!this.#running.has(publicKey)) this.#options.probed(publicKey);
      this.#step(publicKey, { type: "probed", from });
    } else if (punch.seen === this.#running.get(publicKey)?.session) {
      this.#step(publicKey, { type: "answered", from, at: punch.at });
    }
  }

  /** Does what is due. */
  tick(nowMs: number): void {
    for (const [publicKey, running] of [...this.#running]) {
      if (running.publish !== null && running.publish.atMs <= nowMs) this.#publish(publicKey, running);
      if ((attemptDueMs(running.attempt) ?? Number.POSITIVE_INFINITY) <= nowMs) {
        this.#step(publicKey, { type: "tick" });
      }
    }
  }

  nextAtMs(): number | null {
    let next: number | null = null;
    for (const { attempt, publish } of this.#running.values()) {
      const dueMs = Math.min(
        attemptDueMs(attempt) ?? Number.POSITIVE_INFINITY,
        publish?.atMs ?? Number.POSITIVE_INFINITY,
      );
      if (next === null || dueMs < next) next = dueMs;
    }
    return next;
  }

  /** Ends everything, bridges too. */
  close(): void {
    for (const running of this.#running.values()) {
      running.many?.close();
      running.many = null;
    }
    this.#running.clear();
    for (const publicKey of [...this.#bridges.keys()]) this.dropBridge(publicKey);
  }

  #step(publicKey: PublicKey, event: AttemptEvent): void {
    const running = this.#running.get(publicKey);
    if (running === undefined) return;
    const { attempt, effects } = stepAttempt(running.attempt, event, this.#options.clock.monotonicMs());
    running.attempt = attempt;
    let reason: string | null = null;
    for (const effect of effects) {
      if (effect.type === "failed") reason = effect.reason;
      else if (effect.type === "over") this.#over(publicKey, running, reason);
      else this.#act(publicKey, running, effect);
    }
  }

  #act(publicKey: PublicKey, running: Running, effect: AttemptEffect): void {
    const { paths } = this.#options;
    switch (effect.type) {
      case "probe":
        this.#probe(publicKey, running, effect.to);
        break;
      case "spray":
        this.#spray(publicKey, running, effect.host, effect.count);
        break;
      case "widen":
        this.#widen(publicKey, running, effect.to);
        break;
      case "proved":
        this.#proved(publicKey, running, effect.endpoint, effect.method);
        break;
      case "answered":
        paths.report({ kind: "punch-answered", publicKey, endpoint: effect.endpoint });
        break;
    }
  }

  #probe(publicKey: PublicKey, running: Running, to: Endpoint): void {
    const { clock, messages, metrics, port } = this.#options;
    const kept = this.#bridges.get(publicKey);
    if (
      kept !== undefined &&
      kept.bridge.endpoint.port === to.port &&
      kept.bridge.endpoint.host === to.host
    ) {
      kept.bridge.send(messages.seal(probe(publicKey, running.session, kept.remote)));
    } else if (this.#budget.take(to.host, clock.monotonicMs())) {
      port.send(messages.seal(probe(publicKey, running.session, to)), to);
    } else {
      metrics.packet("dropped");
      return;
    }
    metrics.packet("probe");
  }

  #spray(publicKey: PublicKey, running: Running, host: string, count: number): void {
    const { clock, messages, metrics, port, random } = this.#options;
    for (let sent = 0; sent < count; sent++) {
      let chosen = 0;
      do chosen = FIRST_PORT + Math.floor(random.unit() * PORTS);
      while (running.sprayed.has(chosen));
      if (!this.#budget.takeSpray(host, clock.monotonicMs())) {
        metrics.packet("dropped");
        continue;
      }
      running.sprayed.add(chosen);
      const to = { host, port: chosen };
      port.send(messages.seal(probe(publicKey, running.session, to)), to);
      metrics.packet("spray");
    }
  }

  #widen(publicKey: PublicKey, running: Running, to: Endpoint): void {
    const { clock, log, messages, metrics, openMany } = this.#options;
    if (openMany === null) return;
    const isFull = this.#wide() >= MAX_WIDE;
    if (isFull || !this.#budget.takeWide(to.host, WIDE_SOCKETS, clock.monotonicMs())) {
      metrics.packet("dropped");
      return;
    }
    try {
      running.many = openMany({
        to,
        data: messages.seal(probe(publicKey, running.session, to)),
        sockets: WIDE_SOCKETS,
        packetsPerSecond: SPRAY_PER_SECOND,
        onDatagram: (socket, data, from) => this.#receiveMany(publicKey, running, socket, data, from),
      });
    } catch (error) {
      log.debug({ publicKey, reason: messageOf(error) }, "sockets for punching could not be opened");
    }
  }

  /** How many attempts have their many sockets open. */
  #wide(): number {
    return [...this.#running.values()].filter(({ many }) => many !== null).length;
  }

  /** Something came to one of the many sockets: the other side has hit its hole. */
  #receiveMany(publicKey: PublicKey, running: Running, socket: number, data: Buffer, from: Endpoint): void {
    const { messages } = this.#options;
    const { many } = running;
    const punch = this.#open(data, from);
    if (many === null || punch === null || punch.from !== publicKey) return;
    if (punch.seen === null) {
      this.#answer(punch, from, (answer) => many.reply(socket, answer, from));
      many.reply(socket, messages.seal(probe(publicKey, running.session, from)), from);
    } else if (
      punch.seen === running.session &&
      sameEndpoint(punch.at, from) &&
      running.attempt.proved === null
    ) {
      this.#becomeBridge(publicKey, running, many, socket, from);
    }
  }

  #becomeBridge(
    publicKey: PublicKey,
    running: Running,
    many: ManySockets,
    socket: number,
    to: Endpoint,
  ): void {
    const { log } = this.#options;
    if (this.#bridges.size >= MAX_BRIDGES) return;
    try {
      const bridge = many.become(socket, to);
      running.many = null;
      this.dropBridge(publicKey);
      this.#bridges.set(publicKey, { bridge, remote: to });
      bridge.onDatagram((data) => this.#receiveBridge(publicKey, bridge, to, data));
      this.#step(publicKey, { type: "bridged", endpoint: bridge.endpoint });
    } catch (error) {
      log.debug({ publicKey, reason: messageOf(error) }, "a punched socket could not be kept");
    }
  }

  #receiveBridge(publicKey: PublicKey, bridge: PunchedBridge, remote: Endpoint, data: Buffer): void {
    const punch = this.#open(data, remote);
    if (punch === null || punch.from !== publicKey) return;
    if (punch.seen === null) this.#answer(punch, remote, (answer) => bridge.send(answer));
    else if (punch.seen === this.#running.get(publicKey)?.session && sameEndpoint(punch.at, remote)) {
      this.#step(publicKey, { type: "answered", from: bridge.endpoint, at: bridge.endpoint });
    }
  }

  #open(data: Buffer, from: Endpoint): Punch | null {
    return this.#options.isAllowed(from.host) ? this.#options.messages.open(data, from) : null;
  }

  #answer(punch: Punch, from: Endpoint, send: (answer: Buffer) => void): void {
    const { clock, messages, metrics } = this.#options;
    if (!this.#answers.take(punch.from, clock.monotonicMs())) {
      metrics.packet("dropped");
      return;
    }
    const session = this.#running.get(punch.from)?.session ?? this.#idleSession;
    send(messages.seal({ to: punch.from, session, at: punch.at, seen: punch.session, observed: from }));
    metrics.packet("answer");
  }

  #proved(publicKey: PublicKey, running: Running, endpoint: Endpoint, method: Method): void {
    const { clock, log, metrics, ownKey, paths, store } = this.#options;
    metrics.succeeded(method);
    this.#budget.proved(endpoint.host);
    log.info({ publicKey, address: endpointText(endpoint), method }, "direct path proved");
    running.many?.close();
    running.many = null;
    if (running.attempt.relayed) {
      paths.report({ kind: "punch-answered", publicKey, endpoint });
      return;
    }
    const handshakeMs = store.get(publicKey)?.lastHandshakeMs ?? 0;
    // With a session there is no initiation to wait for: its next packet takes the new way.
    const moves = isConnected(handshakeMs, clock.wallMs());
    const waitMs = ownKey < publicKey || moves ? 0 : HIGHER_KEY_WAITS_MS;
    running.publish = { endpoint, atMs: clock.monotonicMs() + waitMs };
    if (waitMs === 0) this.#publish(publicKey, running);
  }

  /** The reconciler sets it on the interface, which starts the handshake. */
  #publish(publicKey: PublicKey, running: Running): void {
    const { paths, store } = this.#options;
    const endpoint = running.publish?.endpoint;
    running.publish = null;
    if (endpoint === undefined) return;
    const kept = this.#bridges.get(publicKey);
    if (kept !== undefined && sameEndpoint(kept.bridge.endpoint, endpoint)) {
      paths.set(publicKey, { kind: "bridged", endpoint });
      return;
    }
    store.observe({ publicKey, method: "dht-rendezvous", endpoint, knowsUs: true, proven: true });
    paths.set(publicKey, { kind: "direct", endpoint: null });
    paths.report({ kind: "heard", publicKey });
    this.#options.proved(publicKey);
  }

  #over(publicKey: PublicKey, running: Running, reason: string | null): void {
    running.many?.close();
    // Datagrams that were on their way from the addon still come, and there is nothing to answer them with.
    running.many = null;
    this.#running.delete(publicKey);
    this.#options.ended(publicKey, reason);
  }

  #newSession(): string {
    return this.#options.random.bytes(SESSION_BYTES).toString("hex");
  }
}

function probe(to: PublicKey, session: string, at: Endpoint): Omit<Punch, "from" | "timestampSeconds"> {
  return { to, session, at, seen: null, observed: null };
}

function sameEndpoint(a: Endpoint | null, b: Endpoint): boolean {
  return a !== null && a.port === b.port && a.host === b.host;
}
