/**
 * Direct paths through NATs (row D6): sees to it that two nodes that cannot reach each other begin to punch at the same time. Nodes of
 * ours that have each other's control socket agree by a HELLO and its REPLY; else an introducer brings them together; else both begin in
 * the pair's window. What then happens is the Puncher's business.
 */

import { Pacemaker } from "../../core/pacemaker.ts";
import { type Endpoint, type PublicKey, parseIp } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { PathReport } from "../../peers/paths.ts";
import type { Peer, PeerEvent } from "../../peers/peer.ts";
import { isPairWindow, pairSeed } from "../../wire/pairs.ts";
import type { Start } from "../../wire/rendezvous.ts";
import type { ContactRequest } from "../contactQueue.ts";
import type { DiscoveryContext, LayerStatus } from "../seams.ts";
import type { SignalReaders } from "../signals.ts";
import { Doubts, type Now, outsideText } from "./doubts.ts";
import { SECOND_SIDE_MS } from "./introducer.ts";
import { Introductions } from "./introductions.ts";
import { Puncher } from "./puncher.ts";
import { PunchMetrics } from "./punchMetrics.ts";
import { PunchPort } from "./punchPort.ts";
import { Seeker } from "./seeker.ts";
import { hostsOf, type Introduced, isAllowedHost, isOurs, type Turn, targetsOf } from "./targets.ts";

export interface RendezvousOptions {
  readonly context: DiscoveryContext;
  readonly noIpv6: boolean;
  /** Nodes that may introduce; empty for any. */
  readonly trusted: readonly PublicKey[];
  /** Of the control sockets within the mesh. */
  readonly gossipPort: number;
  /** Sends from the control socket. */
  send(data: Uint8Array, to: Endpoint): void;
  contact(request: ContactRequest, delayMs?: number): void;
  isVerified(control: Endpoint): boolean;
  isHeldUp(control: Endpoint): boolean;
  controlEndpoints(peer: Peer): Endpoint[];
}

/** Too many attempts are under way: the next try. */
const POSTPONE_MS = 500;
/** Control sockets of an introduced peer of ours that get a HELLO; a Go node has nothing else to punch with. */
const MAX_HELLOS = 4;
/** A word this new needs no introducer. */
const SPOKE_MS = 20_000;
/** A peer that comes and goes must not make a decision for each of its events. */
const SOON_MS = 10;

export class Rendezvous {
  readonly #options: RendezvousOptions;
  readonly #context: DiscoveryContext;
  readonly #seeker: Seeker;
  readonly #introductions: Introductions;
  readonly #puncher: Puncher | null;
  readonly #metrics: PunchMetrics;
  readonly #pacemaker: Pacemaker;
  /** Why the last attempt at a peer failed. */
  readonly #reasons = new Map<PublicKey, string>();
  readonly #doubts = new Doubts();
  /** Peers whose state changed since the last look. */
  readonly #changed = new Set<PublicKey>();
  #lookAtMs: number | null = null;

  constructor(options: RendezvousOptions) {
    const { context } = options;
    const { clock, random, log, metrics, store, self, sealer, prover, paths, wireguardPort } = context;
    this.#options = options;
    this.#context = context;
    this.#seeker = new Seeker(() => random.unit());
    this.#metrics = new PunchMetrics(metrics);
    const isAllowed = (host: string): boolean => this.#isAllowed(host);
    const ownKey = self.snapshot.publicKey;
    this.#introductions = new Introductions({
      ...{ ...options, clock, random, store, self, sealer, prover, isAllowed },
      trusted: new Set(options.trusted),
      tunnelEndpoint: (publicKey) => context.tunnelEndpoint(publicKey),
      started: (start, leadMs) => this.#started(start, leadMs),
      invited: (publicKey, introducer) => this.#invited(publicKey, introducer),
    });
    const isKnown = (publicKey: PublicKey): boolean => store.get(publicKey) !== undefined;
    this.#puncher =
      wireguardPort &&
      new Puncher({
        ...{ clock, random, log, store, paths, ownKey, isAllowed },
        port: wireguardPort,
        messages: new PunchPort({ clock, random, sealer, prover, ownKey, isKnown }),
        openMany: context.openManySockets,
        metrics: this.#metrics,
        probed: (publicKey) => this.#probed(publicKey),
        proved: (publicKey) => {
          this.#doubts.forget(publicKey);
          this.#look(publicKey);
        },
        ended: (publicKey, reason) => this.#ended(publicKey, reason),
      });
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** The messages of the control socket that are for this layer. */
  readers(): SignalReaders {
    return this.#introductions.readers();
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { paths, store, wireguardPort } = this.#context;
    const puncher = this.#puncher;
    const ends = [
      store.subscribe((event) => this.#storeChanged(event)),
      paths.subscribe((publicKey, { kind }, before) => {
        if (before.kind === "bridged") puncher?.dropBridge(publicKey);
        if (kind === "relayed") puncher?.relayed(publicKey);
        this.#look(publicKey);
      }),
      paths.onReport((report) => this.#reported(report)),
      wireguardPort?.onDatagram((data, from) => {
        puncher?.receive(data, from);
        this.#pacemaker.wake();
      }),
    ];
    ends.push(this.#followSelf());
    for (const { publicKey } of store.list()) this.#look(publicKey);
    try {
      await this.#pacemaker.run(signal);
    } finally {
      for (const end of ends) end?.();
      puncher?.close();
    }
  }

  /** The peer has just spoken with us over the control socket, and proved itself: it knows that too. */
  met(publicKey: PublicKey): void {
    if (this.#puncher === null || !this.#seeker.has(publicKey)) return;
    const onLan = this.#context.store.get(publicKey)?.endpointMethod === "lan";
    this.#seeker.met(publicKey, onLan, this.#context.clock.monotonicMs());
    this.#pacemaker.wake();
  }

  /** The outside answers again: what failed until now says nothing any more. */
  networkBack(): void {
    for (const publicKey of this.#doubts.keys()) this.#renew(publicKey);
  }

  status(): LayerStatus {
    const puncher = this.#puncher;
    const detail = puncher
      ? `${puncher.running} under way, ${this.#metrics.successes} paths found, ${this.#seeker.size} peers sought`
      : "WireGuard's port cannot be used: introductions only";
    return { name: "punching", state: puncher ? "running" : "degraded", detail, lastError: null };
  }

  #storeChanged(event: PeerEvent): void {
    const { publicKey } = event.peer;
    if (event.type === "removed") {
      this.#seeker.calm(publicKey);
      this.#puncher?.connected(publicKey);
      this.#puncher?.dropBridge(publicKey);
      this.#introductions.forget(publicKey);
      this.#reasons.delete(publicKey);
      this.#doubts.forget(publicKey);
    } else {
      // It tells other addresses than before, so it has moved, or its router has.
      const moved = event.changed.has("candidates") && (event.before?.candidates.length ?? 0) > 0;
      if (moved) this.#doubt(publicKey);
      if (moved && hostsOf(event.peer) !== hostsOf(event.before)) this.#renew(publicKey);
      this.#look(publicKey);
    }
  }

  /** We are somewhere else: whoever sends to where we were does not reach us, and may not let us in from here. */
  #followSelf(): () => void {
    const { self, store } = this.#context;
    let before = outsideText(self.snapshot);
    return self.subscribe((snapshot) => {
      const now = outsideText(snapshot);
      if (now === null || now === before) return;
      const moved = before !== null;
      before = now;
      if (!moved) return;
      for (const { publicKey } of store.list()) {
        this.#doubt(publicKey, true);
        this.#renew(publicKey);
      }
    });
  }

  #renew(publicKey: PublicKey): void {
    this.#seeker.renew(publicKey, this.#context.clock.monotonicMs());
    this.#pacemaker.wake();
  }

  #doubt(publicKey: PublicKey, moved = false): void {
    const { paths, store } = this.#context;
    const peer = store.get(publicKey);
    // On a LAN there is nothing to punch; the others have a word of their own.
    if (peer === undefined || peer.endpointMethod === "lan" || !isOurs(peer)) return;
    if (paths.get(publicKey).kind === "direct" && this.#doubts.add(peer, moved, this.#now()))
      this.#look(publicKey);
  }

  /** Whatever the path was, nothing comes back on it, or something does again: on a LAN too, which the peer may have left. */
  #reported({ kind, publicKey }: PathReport): void {
    if (kind === "heard" && this.#doubts.has(publicKey)) {
      this.#doubts.forget(publicKey);
      this.#look(publicKey);
    }
    const peer = kind === "silent" ? this.#context.store.get(publicKey) : undefined;
    if (peer === undefined || !isOurs(peer) || !this.#isOwnPath(publicKey)) return;
    if (!this.#doubts.add(peer, true, this.#now())) return;
    this.#look(publicKey);
    this.#seeker.need(publicKey, this.#now().monotonicMs);
    this.#renew(publicKey);
  }

  #now(): Now {
    const { clock } = this.#context;
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
  }

  #look(publicKey: PublicKey): void {
    this.#changed.add(publicKey);
    this.#lookAtMs ??= this.#context.clock.monotonicMs() + SOON_MS;
    this.#pacemaker.wake();
  }

  #isOwnPath(publicKey: PublicKey): boolean {
    return ["direct", "bridged"].includes(this.#context.paths.get(publicKey).kind);
  }

  /** Whether a direct path is wanted: there is no session, or it goes through another node. */
  #wants(peer: Peer): boolean {
    if (!this.#isOwnPath(peer.publicKey)) return true;
    const now = this.#now();
    return this.#doubts.holds(peer, now) || !isConnected(peer.lastHandshakeMs, now.wallMs);
  }

  #act(nowMs: number): void {
    if (this.#lookAtMs !== null && nowMs >= this.#lookAtMs) this.#lookAtChanged(nowMs);
    const { begin, seek } = this.#seeker.take(nowMs);
    for (const publicKey of begin)
      this.#begin(publicKey, null, 0, this.#seeker.turn(publicKey, this.#ownKey));
    for (const publicKey of seek) this.#seek(publicKey);
    this.#puncher?.tick(nowMs);
  }

  #nextAtMs(): number | null {
    const times = [this.#lookAtMs, this.#seeker.nextAtMs(), this.#puncher?.nextAtMs() ?? null];
    const due = times.filter((time) => time !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  #lookAtChanged(nowMs: number): void {
    this.#lookAtMs = null;
    for (const publicKey of this.#changed) {
      const peer = this.#context.store.get(publicKey);
      if (peer === undefined) continue;
      if (this.#wants(peer)) {
        this.#seeker.need(publicKey, nowMs);
      } else {
        this.#puncher?.connected(publicKey);
        this.#seeker.calm(publicKey);
        this.#reasons.delete(publicKey);
      }
    }
    this.#changed.clear();
  }

  /** Brings about that both sides begin. */
  #seek(publicKey: PublicKey): void {
    const peer = this.#context.store.get(publicKey);
    if (peer === undefined) this.#seeker.calm(publicKey);
    if (peer === undefined) return;
    const ours = isOurs(peer);
    const [control] = this.#options.controlEndpoints(peer);
    const doubted = this.#doubts.has(publicKey);
    // Among very many its turn to be greeted has not come, and that may well be all it takes.
    if (!doubted && control !== undefined && this.#options.isHeldUp(control)) return;
    const heard =
      !doubted && control !== undefined && (this.#options.isVerified(control) || this.#spoke(peer));
    // An introducer if there is one, and the peer itself: it may well be reached.
    if (doubted && control !== undefined) this.#hello(control, publicKey);
    // WireGuard's own handshakes are all there is to try.
    if (heard && (!ours || this.#puncher === null)) return;
    if (heard && this.#seeker.seeks(publicKey) <= 1) {
      this.#hello(control, publicKey);
      return;
    }
    const asked = this.#introductions.ask(publicKey, this.#seeker.seeks(publicKey) > 1);
    if (heard) this.#hello(control, publicKey);
    if (asked) return;
    // Nobody can introduce them: both know the window, and their packets open the way for each other.
    for (const place of this.#options.controlEndpoints(peer)) this.#hello(place, publicKey);
    const seed = pairSeed(this.#ownKey, publicKey);
    if (ours && isPairWindow(seed, Math.floor(this.#context.clock.wallMs() / 1000))) {
      this.#begin(publicKey, null, 0, "unknown");
    }
  }

  /** The peer itself has spoken to us lately. */
  #spoke({ controlEndpoint, lastSeenMs }: Peer): boolean {
    return controlEndpoint !== null && this.#context.clock.wallMs() - lastSeenMs < SPOKE_MS;
  }

  #hello(to: Endpoint, publicKey: PublicKey): void {
    this.#options.contact({ to, publicKey, reason: "dht", purpose: "ask", small: true }, 0);
  }

  /** The introducer has told both sides. */
  #started(start: Start, leadMs: number): void {
    const { clock } = this.#context;
    const { peer: publicKey, wireguardCandidates } = start;
    const peer = this.#known(publicKey);
    this.#doubt(publicKey);
    if (peer === undefined || !this.#wants(peer)) return;
    const ours = isOurs(peer) || wireguardCandidates.length > 0;
    const controls = start.candidates.filter(({ host }) => this.#isAllowed(host));
    for (const to of ours ? controls.slice(0, MAX_HELLOS) : controls) {
      this.#options.contact({ to, publicKey, reason: "dht", purpose: "ask", small: true }, leadMs);
    }
    this.#seeker.need(publicKey, clock.monotonicMs());
    if (ours && this.#seeker.mayJoin(publicKey, clock.monotonicMs())) {
      this.#begin(publicKey, start, leadMs, start.delayMs === 0 ? "first" : "second");
    }
  }

  #invited(publicKey: PublicKey, introducer: PublicKey): void {
    const nowMs = this.#context.clock.monotonicMs();
    const peer = this.#known(publicKey);
    // It looks for us, so our path to it is of no use to it.
    this.#doubt(publicKey);
    if (peer === undefined || !this.#wants(peer)) return;
    this.#seeker.need(publicKey, nowMs);
    if (this.#seeker.mayJoin(publicKey, nowMs)) this.#introductions.answer(publicKey, introducer);
  }

  #probed(publicKey: PublicKey): void {
    const peer = this.#context.store.get(publicKey);
    if (peer === undefined) return;
    this.#doubt(publicKey);
    if (!this.#wants(peer)) return;
    const nowMs = this.#context.clock.monotonicMs();
    this.#seeker.need(publicKey, nowMs);
    if (this.#seeker.mayJoin(publicKey, nowMs)) this.#begin(publicKey, null, 0, "unknown");
  }

  #begin(publicKey: PublicKey, introduced: Introduced | null, leadMs: number, turn: Turn): void {
    const { clock, openManySockets, paths, self, store } = this.#context;
    const puncher = this.#puncher;
    const peer = store.get(publicKey);
    if (puncher === null || peer === undefined || puncher.isRunning(publicKey) || !this.#wants(peer)) return;
    const nowMs = clock.monotonicMs();
    if (puncher.full) {
      this.#seeker.postpone(publicKey, nowMs + POSTPONE_MS);
      return;
    }
    const { candidates: own, natType: ownNatType } = self.snapshot;
    const targets = targetsOf({
      ...{ peer, introduced, own, ownNatType, turn },
      canWiden: openManySockets !== null,
      isAllowed: (host) => this.#isAllowed(host),
    });
    const relayed = paths.get(publicKey).kind === "relayed";
    const delayMs = introduced?.delayMs ?? (turn === "second" ? SECOND_SIDE_MS : 0);
    puncher.begin(publicKey, { ...targets, startAtMs: nowMs + leadMs, delayMs, relayed });
    this.#seeker.began(publicKey);
    this.#pacemaker.wake();
  }

  #ended(publicKey: PublicKey, reason: string | null): void {
    const { clock, log, paths } = this.#context;
    this.#seeker.ended(publicKey, reason !== null, clock.monotonicMs());
    if (reason === null) return;
    if (this.#reasons.get(publicKey) !== reason) log.debug({ publicKey, reason }, "no direct path found");
    this.#reasons.set(publicKey, reason);
    paths.report({ kind: "punch-failed", publicKey, reason });
  }

  /** The record of a peer that an introducer names; a new one has the addresses that follow from its key. */
  #known(publicKey: PublicKey): Peer | undefined {
    const { addresses, store } = this.#context;
    if (publicKey === this.#ownKey) return undefined;
    const peer = store.get(publicKey);
    if (peer !== undefined) return peer;
    const meshIp = parseIp(addresses.meshIpv4(publicKey, 0));
    if (meshIp === null) return undefined;
    return store.observe({ publicKey, method: "dht-transitive", meshIp }) ?? undefined;
  }

  #isAllowed(host: string): boolean {
    return isAllowedHost(host, this.#context.underlay, this.#options.noIpv6);
  }

  get #ownKey(): PublicKey {
    return this.#context.self.snapshot.publicKey;
  }
}
