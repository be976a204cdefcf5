/**
 * This node as an end of relayed pairs: it keeps a {@link RelayPair} for each peer without a direct tunnel, and carries out what
 * those say: messages, bridges, paths.
 */
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Pacemaker } from "../../core/pacemaker.ts";
import { TokenBucket } from "../../core/tokenBucket.ts";
import type { Endpoint, PublicKey } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { PathReport, PathTable, PeerPath } from "../../peers/paths.ts";
import type { Peer, PeerEvent } from "../../peers/peer.ts";
import type { RelayMessage } from "../../wire/relay.ts";
import { Buckets } from "../rendezvous/budget.ts";
import { mayRelay } from "./choice.ts";
import { RelayPair } from "./pair.ts";
import { isForeign, type PairEffect, type PairFacts, pairFacts } from "./pairFacts.ts";
import type { Bridge, BridgeTraffic, RelayPlane } from "./plane.ts";
import { silenceText } from "./reasons.ts";
import { RelayVoice, type RelayVoiceOptions } from "./relayVoice.ts";
import type { RelaySession } from "./session.ts";

export interface RelayClientOptions extends RelayVoiceOptions {
  readonly log: Log;
  readonly paths: PathTable;
  readonly plane: RelayPlane;
  /** `--introducer-key`; empty trusts every node that proves itself. */
  readonly trusted: readonly PublicKey[];
  /** `--force-relay` */
  readonly forced: boolean;
  /** Opens what came through a bridge; an echo comes back to {@link RelayClient.echoed}. */
  received(data: Buffer): void;
}

/** Each has a thread in the addon. */
const MAX_BRIDGES = 128;
/** Requests to relays, of all pairs together: a mesh that loses its network asks for many at once. */
const ASKS_PER_SECOND = 20;
const ASKS_BURST = 40;
/** Offers of one relay that the other ends asked for. */
const UNASKED_PER_SECOND = 2;
const UNASKED_BURST = 32;
/** Of pairs that are due together, until whatever else waits has its turn. */
const TURN_MS = 10;

interface Entry {
  readonly pair: RelayPair;
  readonly bridges: Map<string, Bridge>;
  asks: number;
  dueAtMs: number;
}

export class RelayClient {
  readonly #options: RelayClientOptions;
  readonly #entries = new Map<PublicKey, Entry>();
  readonly #pacemaker: Pacemaker;
  readonly #asks: TokenBucket;
  /** By relay. */
  readonly #unasked = new Buckets(UNASKED_PER_SECOND, UNASKED_BURST);
  /** Peers that give no answer: not to be asked for anything. */
  readonly #silentPeers = new Set<PublicKey>();
  readonly #voice: RelayVoice;
  #bridges = 0;

  constructor(options: RelayClientOptions) {
    this.#options = options;
    this.#voice = new RelayVoice(options);
    this.#asks = new TokenBucket(ASKS_PER_SECOND, ASKS_BURST, options.clock.monotonicMs());
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#tick(nowMs),
    });
  }

  /** How many peers are relayed now. */
  get relayed(): number {
    return [...this.#entries.values()].filter(({ pair }) => pair.active !== null && !pair.onTrial).length;
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, paths } = this.#options;
    const unsubscribes = [
      store.subscribe((event) => this.#changed(event)),
      paths.onReport((report) => this.#reported(report)),
      paths.subscribe((publicKey, path) => this.#keep(publicKey, path)),
    ];
    for (const peer of store.list()) this.#look(peer);
    try {
      await this.#pacemaker.run(signal);
    } finally {
      for (const unsubscribe of unsubscribes) unsubscribe();
    }
  }

  /** The outside answers again: whoever is without a path is seen to at once. */
  networkBack(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [publicKey, { pair }] of this.#entries) {
      pair.networkBack();
      this.#wake(publicKey, nowMs);
    }
  }

  /** Tells the other ends and closes all bridges. */
  close(): void {
    for (const [publicKey, entry] of this.#entries) this.#carryOut(publicKey, entry, entry.pair.end(true));
    this.#entries.clear();
  }

  /** Takes a proven message of a relay, or of another end. */
  receive(message: RelayMessage): void {
    const nowMs = this.#options.clock.monotonicMs();
    switch (message.type) {
      case "RELAY_OFFER":
        this.#offered(message, nowMs);
        break;
      case "RELAY_REFUSE":
        this.#entries.get(message.peer)?.pair.refused(message.from, message.reason);
        this.#wake(message.peer, nowMs);
        break;
      case "RELAY_SWITCH": {
        const { from, session, step } = message;
        this.#with(from, (pair) => pair.switched(session, step, this.#options.forced, nowMs));
        break;
      }
      case "RELAY_CLOSE":
        this.#closed(message.from, message.session, nowMs);
        break;
      default:
        break;
    }
  }

  /** Takes what came through a session's bridge and was proved to be the other end's echo. */
  echoed(message: RelayMessage & { type: "RELAY_ECHO" }): void {
    const { from, session, nonce, answer } = message;
    const entry = this.#entries.get(from);
    const known = entry?.pair.session(session);
    if (entry === undefined || known === undefined) return;
    if (!answer) this.#voice.answer(from, entry.bridges.get(session), session, nonce);
    // An answer to nothing that was asked shows no way back.
    else if (!this.#voice.hasAsked(session, nonce)) return;
    this.#with(from, (pair) => pair.echoed(session, answer, this.#options.clock.monotonicMs()));
  }

  #offered(message: RelayMessage & { type: "RELAY_OFFER" }, nowMs: number): void {
    const { store, self, log, plane, trusted, clock } = this.#options;
    const { from, peer, lead, session, token, port } = message;
    const relay = store.get(from);
    if (relay === undefined || !mayRelay(relay, trusted) || peer === self.snapshot.publicKey) return;
    if (!store.get(peer) || this.#bridges >= MAX_BRIDGES) return;
    const host = hostOf(relay, clock.wallMs());
    if (host === null) return;
    const entry = this.#entry(peer, nowMs);
    if (!entry.pair.wants(session, from, lead, nowMs)) return;
    // A relay that says others asked for it, again and again, must not take all bridges.
    if (lead === peer && !this.#unasked.take(from, nowMs)) return;
    try {
      const bridge = plane.openBridge({
        relay: { host, port },
        token: Buffer.from(token, "hex"),
        onDatagram: (data) => this.#options.received(data),
      });
      entry.bridges.set(session, bridge);
      this.#bridges += 1;
    } catch (error) {
      log.warn({ peer, relay: from, reason: messageOf(error) }, "no bridge to a relay");
      return;
    }
    entry.pair.opened(session, from, lead, nowMs);
    log.debug({ peer, relay: from }, "relay offered");
    this.#wake(peer, nowMs);
  }

  #closed(from: PublicKey, session: string, nowMs: number): void {
    for (const [publicKey, { pair }] of this.#entries) {
      const known = pair.session(session);
      if (known === undefined || (from !== publicKey && from !== known.relay)) continue;
      this.#with(publicKey, () => pair.closed(session, nowMs));
      return;
    }
  }

  #changed(event: PeerEvent): void {
    const { publicKey } = event.peer;
    const nowMs = this.#options.clock.monotonicMs();
    // Whoever relays for a pair says that it relays, and members that are invented come and go by the hundred.
    if (event.type === "removed" ? event.peer.relays : event.changed.has("relays") && !event.peer.relays) {
      for (const key of this.#entries.keys()) this.#with(key, (pair) => pair.relayGone(publicKey, nowMs));
    }
    if (event.type === "removed") {
      this.#silentPeers.delete(publicKey);
      const entry = this.#entries.get(publicKey);
      if (entry === undefined) return;
      this.#carryOut(publicKey, entry, entry.pair.end(false));
      this.#entries.delete(publicKey);
      this.#options.paths.forget(publicKey);
      return;
    }
    this.#look(event.peer);
    if (event.changed.has("relays") && this.#isUsable(event.peer))
      for (const key of this.#entries.keys()) this.#wake(key, nowMs);
  }

  /** Peers with a direct tunnel need no entry; nodes of another implementation know nothing of this relay. */
  #look(peer: Peer): void {
    const { clock, forced } = this.#options;
    const nowMs = clock.monotonicMs();
    if (peer.meshIp === null || isForeign(peer)) return;
    const direct = isConnected(peer.lastHandshakeMs, clock.wallMs()) && !forced;
    if (!direct || this.#entries.has(peer.publicKey)) {
      this.#entry(peer.publicKey, nowMs);
      this.#wake(peer.publicKey, nowMs);
    }
  }

  #reported(report: PathReport): void {
    const nowMs = this.#options.clock.monotonicMs();
    const pair = this.#entries.get(report.publicKey)?.pair;
    switch (report.kind) {
      case "punch-answered":
        pair?.punchAnswered(report.endpoint, nowMs);
        break;
      case "punch-failed":
        pair?.punchFailed(report.reason);
        break;
      case "silent":
        this.#silent(report.publicKey, nowMs);
        break;
      case "heard":
        this.#silentPeers.delete(report.publicKey);
        pair?.heard(nowMs);
        break;
    }
    this.#wake(report.publicKey, nowMs);
  }

  #silent(publicKey: PublicKey, nowMs: number): void {
    const peer = this.#options.store.get(publicKey);
    if (peer === undefined || isForeign(peer)) return;
    this.#silentPeers.add(publicKey);
    this.#carryOut(
      publicKey,
      this.#entry(publicKey, nowMs),
      this.#entry(publicKey, nowMs).pair.silent(nowMs),
    );
  }

  /** A punch that began before the peer was relayed ends in a path of its own; going direct takes both ends (upgrade.ts). */
  #keep(publicKey: PublicKey, path: PeerPath): void {
    const pair = this.#entries.get(publicKey)?.pair;
    const session = pair?.onTrial ? null : (pair?.active ?? null);
    const endpoint = session && this.#entries.get(publicKey)?.bridges.get(session.id)?.endpoint;
    if (session === null || !endpoint || path.kind === "relayed") return;
    this.#options.paths.set(publicKey, { kind: "relayed", via: session.relay, endpoint });
  }

  #entry(publicKey: PublicKey, nowMs: number): Entry {
    const known = this.#entries.get(publicKey);
    if (known !== undefined) return known;
    const pair = new RelayPair(this.#options.self.snapshot.publicKey, publicKey, this.#options.plane.empties);
    const entry: Entry = { pair, bridges: new Map(), asks: 0, dueAtMs: nowMs };
    this.#entries.set(publicKey, entry);
    return entry;
  }

  #wake(publicKey: PublicKey, nowMs: number): void {
    const entry = this.#entries.get(publicKey);
    if (entry === undefined) return;
    entry.dueAtMs = nowMs;
    this.#pacemaker.wake();
  }

  #with(publicKey: PublicKey, use: (pair: RelayPair) => readonly PairEffect[]): void {
    const entry = this.#entries.get(publicKey);
    if (entry === undefined) return;
    const effects = use(entry.pair);
    if (effects.length === 0) return;
    this.#carryOut(publicKey, entry, effects);
    this.#wake(publicKey, this.#options.clock.monotonicMs());
  }

  #nextAtMs(): number | null {
    let next: number | null = null;
    for (const { dueAtMs } of this.#entries.values()) next = Math.min(next ?? dueAtMs, dueAtMs);
    return next;
  }

  #tick(nowMs: number): void {
    const { clock, store } = this.#options;
    const usable = store.list().filter((peer) => this.#isUsable(peer));
    for (const [publicKey, entry] of [...this.#entries]) {
      if (entry.dueAtMs > nowMs) continue;
      // The others are due still, and the pacemaker is back after whatever else waits.
      if (clock.monotonicMs() - nowMs >= TURN_MS) break;
      const facts = this.#facts(publicKey, entry, usable);
      this.#carryOut(publicKey, entry, entry.pair.tick(facts, nowMs));
      entry.dueAtMs = entry.pair.nextAtMs(facts, nowMs);
      if (entry.pair.isIdle(facts, nowMs)) this.#entries.delete(publicKey);
    }
  }

  #facts(publicKey: PublicKey, entry: Entry, usable: readonly Peer[]): PairFacts {
    const traffic = (session: string): BridgeTraffic | null => entry.bridges.get(session)?.traffic() ?? null;
    return pairFacts(this.#options, { publicKey, usable, silent: this.#silentPeers, traffic });
  }

  #isUsable(relay: Peer): boolean {
    const { store, clock, trusted } = this.#options;
    if (!mayRelay(relay, trusted)) return false;
    if (isConnected(relay.lastHandshakeMs, clock.wallMs())) return true;
    // A crowd of strangers may be invented: none of them relays, and to order them for each of them would be the square of it.
    return !store.isCrowded && store.isActive(relay);
  }

  #carryOut(publicKey: PublicKey, entry: Entry, effects: readonly PairEffect[]): void {
    for (const effect of effects) this.#effect(publicKey, entry, effect);
  }

  #effect(publicKey: PublicKey, entry: Entry, effect: PairEffect): void {
    const { clock, paths, log, store } = this.#options;
    const before = paths.get(publicKey).kind;
    switch (effect.do) {
      case "ask":
        this.#ask(publicKey, entry, effect.relay);
        break;
      case "close":
        this.#close(publicKey, entry, effect.session, effect.tell);
        break;
      case "echo":
        this.#voice.ask(publicKey, entry.bridges.get(effect.session.id), effect.session.id);
        break;
      case "deliver":
        entry.bridges.get(effect.session.id)?.deliver(effect.on);
        break;
      case "switch":
        this.#voice.say(publicKey, { type: "RELAY_SWITCH", session: effect.session.id, step: effect.step });
        break;
      case "relayed": {
        const endpoint = entry.bridges.get(effect.session.id)?.endpoint;
        if (endpoint === undefined) break;
        paths.set(publicKey, { kind: "relayed", via: effect.session.relay, endpoint });
        log.info({ peer: publicKey, relay: effect.session.relay }, "peer is relayed");
        break;
      }
      case "direct":
        this.#direct(publicKey, effect.endpoint);
        break;
      case "impossible":
        if (["impossible", "forwarded", "bridged"].includes(before)) break;
        paths.set(publicKey, { kind: "impossible", reason: effect.reason });
        log.warn({ peer: publicKey, reason: effect.reason }, "no path to a peer");
        break;
      case "silent":
        if (["silent", "forwarded", "bridged"].includes(before)) break;
        paths.set(publicKey, {
          kind: "silent",
          reason: silenceText(clock.wallMs(), store.heardAgoMs(publicKey)),
        });
        log.info({ peer: publicKey }, "a peer is not heard any more");
        break;
    }
  }

  /** Only what the relay set is taken back: a punched hole has its own owner. */
  #direct(publicKey: PublicKey, endpoint: Endpoint | null): void {
    const { paths, log } = this.#options;
    const before = paths.get(publicKey);
    if (before.kind === "bridged" || before.kind === "forwarded") return;
    paths.set(publicKey, { kind: "direct", endpoint });
    if (before.kind === "relayed") log.info({ peer: publicKey }, "peer is not relayed any more");
  }

  #ask(publicKey: PublicKey, entry: Entry, relay: PublicKey): void {
    const { store, clock } = this.#options;
    const peer = store.get(relay);
    if (peer === undefined || !this.#asks.take(clock.monotonicMs())) return;
    entry.asks += 1;
    this.#voice.say(relay, { type: "RELAY_REQUEST", peer: publicKey }, entry.asks % 2 === 0);
  }

  #close(publicKey: PublicKey, entry: Entry, { id, relay }: RelaySession, tell: boolean): void {
    const bridge = entry.bridges.get(id);
    if (bridge === undefined) return;
    entry.bridges.delete(id);
    this.#voice.forget(id);
    this.#bridges -= 1;
    bridge.close();
    // The relay passes it on.
    if (tell) this.#voice.say(relay, { type: "RELAY_CLOSE", session: id });
    this.#options.log.debug({ peer: publicKey, relay }, "relay given up");
  }
}

/** Where the relay's packets come from, so that nobody else is sent anything. */
function hostOf(relay: Peer, nowMs: number): string | null {
  const connected = isConnected(relay.lastHandshakeMs, nowMs) ? relay.endpoint?.host : undefined;
  return connected ?? relay.controlEndpoint?.host ?? relay.endpoint?.host ?? null;
}
