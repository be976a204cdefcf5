/**
 * Peer exchange (row D2, PROTOCOL.md section 6.1): HELLO and REPLY over the control socket. A HELLO makes us known and asks
 * who else is there; a REPLY counts only while a HELLO to exactly its source address is open (weak points 1 and 9).
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { DiscoveryMethod, Peer, PeerEvent } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import { exchangeEndpoint, lanEndpoint } from "../wire/endpointRules.ts";
import type { Announcement } from "../wire/types.ts";
import type { Announcer } from "./announcer.ts";
import { Challenges } from "./challenges.ts";
import { companion, isOurs } from "./companion.ts";
import { ContactQueue, type ContactRequest } from "./contactQueue.ts";
import type { Counters } from "./counters.ts";
import { Crawl } from "./crawl.ts";
import { type HelloReason, HelloTable, type OpenHello } from "./helloTable.ts";
import type { ReceivedAnnouncement } from "./inbound.ts";
import { storeMentions } from "./mentions.ts";
import { isOnLan, mentionsUs, whoIsAt } from "./messageFacts.ts";
import { Outbox } from "./outbox.ts";
import { RefreshPlan } from "./refreshPlan.ts";
import type { Underlay } from "./seams.ts";
import { directSighting, outside } from "./sightings.ts";
import { Sweeps } from "./sweeps.ts";
import { VerifiedSources } from "./verifiedSources.ts";

export interface ExchangeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly underlay: Underlay;
  readonly announcer: Announcer;
  readonly counters: Counters;
  readonly gossipPort: number;
  /** `--no-punching`: a HELLO is sent once. */
  readonly noPunching: boolean;
  send(data: Uint8Array, to: Endpoint): void;
  /** A peer that we asked says where our HELLO came from, in its own words. */
  reflected(witness: PublicKey, observedEndpoint: string): void;
  /** A peer that proves itself and we have each other's word, just now. */
  met(publicKey: PublicKey): void;
  /** A HELLO got its REPLY from `publicKey`, or (null) none. */
  concluded(hello: OpenHello, publicKey: PublicKey | null): void;
}

/** A HELLO is needless when the peer's own came this recently and both know each other. */
const JUST_MET_MS = 500;
/** More peers than this that are to be met at once are met one after another, so that one side's HELLO saves the other's. */
const FEW = 4;
const SPREAD_MS = 60;

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #hellos: HelloTable;
  readonly #contacts: ContactQueue;
  readonly #challenges = new Challenges();
  readonly #crawl: Crawl;
  readonly #plan: RefreshPlan;
  readonly #verified = new VerifiedSources();
  readonly #outbox: Outbox;
  readonly #pacemaker: Pacemaker;
  readonly #sweeps: Sweeps;
  /** Nodes of this implementation, as they were counted last. */
  #ours = 0;

  constructor(options: ExchangeOptions) {
    const { clock, random, counters, noPunching, send } = options;
    this.#options = options;
    this.#hellos = new HelloTable(noPunching);
    this.#contacts = new ContactQueue(clock.monotonicMs());
    this.#plan = new RefreshPlan(() => random.unit());
    this.#crawl = new Crawl(() => random.unit());
    this.#outbox = new Outbox(send, counters);
    counters.queue("contacts", () => this.#contacts.size);
    counters.queue("hellos", () => this.#hellos.size);
    this.#sweeps = new Sweeps(clock.monotonicMs());
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** The body of its task: sends what falls due until the signal fires, then forgets what is open. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#options.store.subscribe((event) => this.#changed(event));
    try {
      await this.#pacemaker.run(signal);
    } finally {
      unsubscribe();
      this.clear();
    }
  }

  /** Sends nothing more of what is open or waiting. */
  clear(): void {
    this.#hellos.clear();
    this.#contacts.clear();
    this.#outbox.clear();
  }

  /** True when the address has answered a HELLO of ours lately. */
  isVerified(address: Endpoint): boolean {
    return this.#verified.isVerified(address, this.#options.clock.monotonicMs());
  }

  /** True while a HELLO to that address waits for its REPLY. */
  awaits = (from: Endpoint): boolean => this.#hellos.has(from);

  /** True while a HELLO to there is held up by many others. */
  isHeldUp(address: Endpoint): boolean {
    return this.#contacts.isHeldUp(address, this.#options.clock.monotonicMs());
  }

  /** The peer's clock in its newest word, Unix seconds; 0 for never. */
  lastWordSeconds(publicKey: PublicKey): number {
    return this.#plan.lastWordSeconds(publicKey);
  }

  /** Takes a HELLO, REPLY or ANNOUNCE that passed the receive path of the control socket. */
  receive(message: ReceivedAnnouncement): void {
    switch (message.type) {
      case "HELLO":
        this.#receiveHello(message);
        break;
      case "REPLY":
        this.#receiveReply(message);
        break;
      case "ANNOUNCE":
        if (!message.repeat) this.#observe(message, "gossip", mentionsUs(message, this.#options.self));
        break;
    }
    this.#pacemaker.wake();
  }

  /**
   * Somebody spoke in the name of a peer that proves itself, without a proof. That changes nothing; where it is said to be it
   * gets a HELLO, which only the holder of the key can answer with a proof. `at` null asks where the peer is known to be.
   */
  challenge(publicKey: PublicKey, at: Endpoint | null, reason: HelloReason): void {
    const nowMs = this.#options.clock.monotonicMs();
    const peer = this.#options.store.get(publicKey);
    const to = at ?? (peer && this.controlEndpoints(peer)[0]);
    if (!to || this.#options.underlay.isInsideMesh(to.host)) return;
    if (!this.#challenges.take(publicKey, nowMs)) return;
    this.contact({ to, publicKey, reason, purpose: "ask", small: !this.isVerified(to) });
  }

  /** A peer of the LAN spoke; `meet` asks for a HELLO to it. */
  heardOnLan({ announcement, from }: ReceivedAnnouncement, meet: boolean): void {
    const { gossipPort } = this.#options;
    const { publicKey, timestampSeconds } = announcement;
    // Multicast may reach one way only, so it does not stand in for a HELLO.
    this.#plan.word(publicKey, timestampSeconds);
    if (!meet) return;
    const to = { host: from.host, port: gossipPort };
    this.contact({ to, publicKey, reason: "dht", purpose: "meet", small: false });
  }

  /** Asks for a HELLO; `delayMs` only spreads many of them. */
  contact(request: ContactRequest, delayMs = this.#spread()): void {
    const { clock, counters } = this.#options;
    if (!this.#contacts.add(request, clock.monotonicMs() + delayMs)) counters.add("dropped");
    this.#pacemaker.wake();
  }

  /** Tells every peer what is now true of us. */
  announce(): void {
    for (const peer of this.#options.store.list()) this.#contactPeer(peer, { purpose: "tell" });
  }

  /** Where a peer's control socket may be: where it spoke from, and beside its WireGuard. */
  controlEndpoints(peer: Peer): Endpoint[] {
    const beside = peer.endpoint && { host: peer.endpoint.host, port: this.#options.gossipPort };
    const all = [peer.controlEndpoint, beside].filter((endpoint) => endpoint !== null);
    return all.filter(({ host }) => !this.#options.underlay.isInsideMesh(host));
  }

  #receiveHello(message: ReceivedAnnouncement): void {
    const { clock, store } = this.#options;
    const { announcement, from, repeat, sizeBytes } = message;
    const { publicKey } = announcement;
    const nowMs = clock.monotonicMs();
    this.#verified.received(from, sizeBytes);
    if (repeat) {
      if (store.get(publicKey)) this.#reply(announcement, from);
      return;
    }
    const before = store.get(publicKey);
    const known = this.#observe(message, "dht", true);
    if (!known) return;
    this.#reply(announcement, from);
    if (message.proven) this.#options.met(publicKey);
    // It may have moved, or somebody passes its datagrams on: only a REPLY from there tells.
    const home = before?.controlEndpoint;
    if (home && endpointText(home) !== endpointText(from) && !this.#verified.isVerified(from, nowMs)) {
      this.contact({ to: from, publicKey, reason: "dht", purpose: "ask", small: true });
    }
  }

  #receiveReply(message: ReceivedAnnouncement): void {
    const { clock, counters } = this.#options;
    const { announcement, from, repeat } = message;
    const hello = repeat ? null : this.#hellos.close(from);
    if (!hello) {
      counters.add("unsolicitedReplies");
      return;
    }
    const nowMs = clock.monotonicMs();
    this.#verified.verify(from, nowMs);
    this.#options.concluded(hello, announcement.publicKey);
    if (!this.#observe(message, hello.reason, true)) return;
    this.#options.reflected(announcement.publicKey, announcement.observedEndpoint);
    if (message.proven) this.#options.met(announcement.publicKey);
  }

  /** Stores the sender and those it mentions; null when the store refused the sender. */
  #observe(message: ReceivedAnnouncement, asMethod: DiscoveryMethod, knowsUs: boolean): Peer | null {
    const { clock, store, underlay, counters } = this.#options;
    const { announcement, from, type } = message;
    const isInsideMesh = (ip: string): boolean => underlay.isInsideMesh(ip);
    const before = store.get(announcement.publicKey);
    const method = isOnLan(before, message, underlay) ? "lan" : asMethod;
    const { wgEndpoint, wireguardPort } = announcement;
    const told =
      method === "lan"
        ? lanEndpoint(wgEndpoint, from.host, wireguardPort)
        : exchangeEndpoint(wgEndpoint, from.host);
    const endpoint = outside(told, isInsideMesh);
    // An address that has not answered moves neither a working tunnel (row D10) nor a control socket that is known.
    const answered = type === "REPLY";
    const settled =
      before !== undefined && before.instance === announcement.instance && this.#isConnected(before);
    const control = answered || !before?.controlEndpoint ? outside(from, isInsideMesh) : null;
    const moves = !settled || answered || method === "lan";
    const peer = store.observe(
      directSighting(announcement, method, moves ? endpoint : null, from, {
        controlEndpoint: control === null || type === "ANNOUNCE" ? undefined : control,
        knowsUs: knowsUs ? true : undefined,
        answered: knowsUs ? answered : undefined,
        proven: message.proven ? true : undefined,
      }),
    );
    if (!peer) {
      counters.add("refused");
      return null;
    }
    counters.add("stored");
    const nowMs = clock.monotonicMs();
    if (type === "ANNOUNCE") {
      // Gossip comes through the tunnel: it tells neither where the peer is, nor who speaks in its name outside.
      this.#plan.word(peer.publicKey, announcement.timestampSeconds);
    } else {
      const restarted = before !== undefined && before.instance !== announcement.instance;
      if (message.proven) this.#challenges.proved(peer.publicKey, restarted, nowMs);
      this.#plan.heard(peer.publicKey, type === "HELLO", announcement.timestampSeconds, nowMs);
    }
    const asMention = method === "gossip" ? "gossip-transitive" : "dht-transitive";
    const stranger = this.#isConnected(peer) ? null : from;
    const mentions = storeMentions(this.#options, announcement, asMention, stranger);
    // The first peer a node meets is asked for all it knows; later ones only when they have shown news.
    this.#crawl.heard(peer.publicKey, { ...mentions, answer: answered }, store.size, nowMs);
    return peer;
  }

  /** Answers, within what an unproven address may get (weak point 11). */
  #reply({ publicKey, have }: Announcement, to: Endpoint): void {
    const { clock, announcer, store } = this.#options;
    this.#outbox.post("reply", to, clock.monotonicMs(), () => {
      const allowance = this.#verified.allowanceBytes(to, clock.monotonicMs());
      const peer = store.get(publicKey);
      // It takes a look at all peers, so it is for those whose number nobody can invent.
      const lacking = peer && this.#isConnected(peer) ? have : undefined;
      const reply = announcer.reply(publicKey, to, allowance, lacking);
      if (reply) this.#verified.sent(to, reply.length);
      return reply;
    });
  }

  #changed(event: PeerEvent): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (event.type === "removed") {
      const { publicKey } = event.peer;
      this.#hellos.forget(publicKey);
      this.#contacts.forget(publicKey);
      this.#crawl.forget(publicKey);
      this.#plan.forget(publicKey);
    } else if (event.changed.has("endpoint") || this.#isReached(event)) {
      this.#sweeps.note(event.peer.publicKey, nowMs);
      this.#pacemaker.wake();
    }
  }

  #isReached({ changed, peer }: Exclude<PeerEvent, { type: "removed" }>): boolean {
    return changed.has("lastHandshakeMs") && this.#isConnected(peer) && this.#plan.reached(peer.publicKey);
  }

  #act(nowMs: number): void {
    const { store } = this.#options;
    for (const { publicKey, round } of this.#crawl.take(nowMs, this.#anybody)) {
      const peer = store.get(publicKey);
      if (!peer || !this.#contactPeer(peer, { purpose: "ask", round })) this.#crawl.forget(publicKey);
    }
    if (nowMs >= this.#sweeps.nextAtMs()) this.#sweep(nowMs);
    this.#contacts.take(nowMs, (request) => this.#open(request, nowMs));
    const { send, unanswered } = this.#hellos.tick(nowMs);
    for (const hello of unanswered) this.#giveUp(hello);
    for (const hello of send) this.#sendHello(hello, nowMs);
    this.#outbox.flush(nowMs);
  }

  #nextAtMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const parts = [this.#hellos, this.#crawl, this.#contacts, this.#outbox, this.#sweeps];
    return Math.min(...parts.flatMap((part) => part.nextAtMs(nowMs) ?? []));
  }

  /** Looks for peers that were not spoken with yet, or not for too long; those of the cache before anything else is sent (row E6). */
  #sweep(nowMs: number): void {
    const delayMs = this.#crawl.begun ? undefined : 0;
    this.#challenges.forgetOld(nowMs);
    const { peers, isWhole } = this.#sweeps.take(this.#options.store, nowMs);
    if (isWhole) this.#ours = peers.filter(isOurs).length;
    for (const peer of peers) {
      // Whose address is contested hears of us until it is not, tunnel or none: one end may know what the other does not.
      const connected = this.#isConnected(peer) && peer.meshIp !== null;
      if (this.#plan.isDue(peer.publicKey, connected, nowMs, isOurs(peer) ? this.#ours : 0)) {
        this.#contactPeer(peer, { purpose: "meet" }, delayMs);
      }
    }
  }

  /** False when nobody knows where it is. */
  #contactPeer(peer: Peer, what: Pick<ContactRequest, "purpose" | "round">, delayMs?: number): boolean {
    const { publicKey } = peer;
    const places = this.controlEndpoints(peer);
    // Where it spoke from last comes first; when it is silent there, it may be beside its WireGuard.
    const to = places[this.#plan.silence(publicKey) % places.length];
    if (!to) return false;
    this.contact({ to, publicKey, reason: "dht", ...what, small: !this.isVerified(to) }, delayMs);
    return true;
  }

  /** Opens a HELLO; false when there is no need. */
  #open(request: ContactRequest, nowMs: number): boolean {
    const { announcer, store } = this.#options;
    const { to, purpose } = request;
    // Whom the DHT named by its address alone may have been met meanwhile: a HELLO without a proof would get no answer.
    const publicKey = request.publicKey ?? whoIsAt(to, store.list());
    if (this.#hellos.has(to)) {
      if (purpose !== "tell") return false;
      this.#hellos.close(to);
    }
    const peer = publicKey === null ? undefined : store.get(publicKey);
    if (this.#hellos.full) {
      // No answer will come that could carry the crawl on.
      if (publicKey !== null) this.#crawl.forget(publicKey);
      return false;
    }
    const justMet = publicKey !== null && nowMs - this.#plan.lastHelloAtMs(publicKey) < JUST_MET_MS;
    const isMet = justMet || (request.publicKey === null && peer !== undefined && store.isActive(peer));
    if (purpose === "meet" && isMet && peer?.knowsUs) return false;
    const datagram = announcer.hello(publicKey, request.small, request.round);
    const brief = request.brief === true;
    this.#hellos.open({ to, publicKey, reason: request.reason, datagram, openedAtMs: nowMs, brief });
    if (peer) this.#plan.tried(peer.publicKey, nowMs);
    return true;
  }

  #anybody = (): PublicKey | null => companion(this.#options, isOurs)?.publicKey ?? null;

  #sendHello(hello: OpenHello, nowMs: number): void {
    this.#outbox.post("hello", hello.to, nowMs, () => (this.#hellos.has(hello.to) ? hello.datagram : null));
  }

  #giveUp(hello: OpenHello): void {
    if (hello.publicKey !== null) {
      this.#crawl.forget(hello.publicKey);
      this.#plan.unanswered(hello.publicKey);
    }
    this.#options.log.debug({ address: endpointText(hello.to) }, "no answer to a HELLO");
    this.#options.concluded(hello, null);
  }

  #isConnected(peer: Peer): boolean {
    return isConnected(peer.lastHandshakeMs, this.#options.clock.wallMs());
  }

  #spread(): number {
    const underWay = this.#contacts.size + this.#hellos.size;
    return underWay < FEW ? 0 : this.#options.random.unit() * SPREAD_MS;
  }
}
