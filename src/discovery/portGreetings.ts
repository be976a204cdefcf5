/**
 * HELLO and REPLY on WireGuard's own port. Who forwards that port alone can be greeted nowhere else, and where such a message comes from
 * is where WireGuard's packets have to go to, also behind a symmetric NAT, of which STUN servers see another port. Sent to addresses of
 * the DHT where no control socket answers. Go nodes and WireGuard itself drop them without a trace.
 */
import type { Clock } from "../core/clock.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import { TokenBucket } from "../core/tokenBucket.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Announcer } from "./announcer.ts";
import { Challenges } from "./challenges.ts";
import type { Counters } from "./counters.ts";
import { HelloTable, type OpenHello } from "./helloTable.ts";
import type { ReceivedAnnouncement } from "./inbound.ts";
import { storeMentions } from "./mentions.ts";
import { Outbox } from "./outbox.ts";
import { isAllowedHost } from "./rendezvous/targets.ts";
import type { Underlay, WireguardPort } from "./seams.ts";
import { directSighting } from "./sightings.ts";
import { VerifiedSources } from "./verifiedSources.ts";

/** Greetings back to who greeted first, which may have been anybody with a forged address. */
const BACK_PER_SECOND = 10;
const BACK_BURST = 32;
/** What a HELLO and a REPLY begin with (PROTOCOL.md section 3). */
const HEADS = ["HELLO", "REPLY"].map((type) => Buffer.from(`{"type":"${type}",`));

const kinds = { kind: ["hello", "reply"] } as const;

export interface PortGreetingsOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly store: PeerStore;
  readonly underlay: Underlay;
  readonly announcer: Announcer;
  readonly counters: Counters;
  readonly port: WireguardPort;
  readonly noIpv6: boolean;
  /** A datagram on that port that may be one of these messages; comes back by `receive` when it is good. */
  datagram(data: Buffer, from: Endpoint): void;
  /** A peer that proves itself and we have each other's word, just now. */
  met(publicKey: PublicKey): void;
  /** A greeting got its REPLY, or none. */
  concluded(hello: OpenHello, answered: boolean): void;
}

export class PortGreetings {
  readonly #options: PortGreetingsOptions;
  readonly #hellos = new HelloTable(false);
  readonly #challenges = new Challenges();
  readonly #verified = new VerifiedSources();
  readonly #outbox: Outbox;
  readonly #back: TokenBucket;
  readonly #sent: Counter<typeof kinds>;
  readonly #pacemaker: Pacemaker;

  constructor(options: PortGreetingsOptions) {
    const { clock, counters, metrics, port } = options;
    this.#options = options;
    this.#outbox = new Outbox((data, to) => port.send(data, to), counters);
    this.#back = new TokenBucket(BACK_PER_SECOND, BACK_BURST, clock.monotonicMs());
    this.#sent = metrics.counter(
      "wgmesh_port_greetings_total",
      "datagrams of greetings sent from WireGuard's port",
      kinds,
    );
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { datagram, port } = this.#options;
    const leave = port.onDatagram((data, from) => {
      if (HEADS.some((head) => data.subarray(0, head.length).equals(head))) datagram(data, from);
    });
    try {
      await this.#pacemaker.run(signal);
    } finally {
      leave();
      this.#hellos.clear();
      this.#outbox.clear();
    }
  }

  /**
   * Sends a HELLO there, repeated until it is answered or was not for four seconds; twice in all when `brief`. The caller keeps to a budget.
   * `publicKey` is who is expected, null when only the address is known.
   */
  greet(to: Endpoint, brief: boolean, publicKey: PublicKey | null = null): void {
    const { announcer, clock, underlay, noIpv6 } = this.#options;
    if (this.#hellos.has(to) || this.#hellos.full || !isAllowedHost(to.host, underlay, noIpv6)) return;
    const datagram = announcer.hello(publicKey, true);
    this.#hellos.open({
      ...{ to, publicKey, reason: "dht", datagram, brief },
      openedAtMs: clock.monotonicMs(),
    });
    this.#pacemaker.wake();
  }

  /** True while a HELLO to that address waits for its REPLY. */
  awaits = (from: Endpoint): boolean => this.#hellos.has(from);

  /** Takes a HELLO or REPLY that passed the receive path. */
  receive(message: ReceivedAnnouncement): void {
    if (message.type === "REPLY") this.#receiveReply(message);
    else if (message.type === "HELLO") this.#receiveHello(message);
    this.#pacemaker.wake();
  }

  /** Somebody spoke in the name of a peer that proves itself, without a proof: a REPLY will have one. */
  challenge(publicKey: PublicKey, at: Endpoint): void {
    if (this.#challenges.take(publicKey, this.#options.clock.monotonicMs())) this.#greetBack(at, publicKey);
  }

  #receiveHello(message: ReceivedAnnouncement): void {
    const { clock, met, store } = this.#options;
    const { announcement, from, proven, repeat, sizeBytes } = message;
    const { publicKey } = announcement;
    this.#verified.received(from, sizeBytes);
    if (repeat ? store.get(publicKey) === undefined : this.#observe(message) === null) return;
    this.#reply(publicKey, from);
    if (repeat) return;
    if (proven) met(publicKey);
    if (!this.#verified.isVerified(from, clock.monotonicMs())) this.#greetBack(from, publicKey);
  }

  #receiveReply(message: ReceivedAnnouncement): void {
    const { clock, concluded, counters, met } = this.#options;
    const { announcement, from, proven, repeat } = message;
    const hello = repeat ? null : this.#hellos.close(from);
    if (!hello) {
      counters.add("unsolicitedReplies");
      return;
    }
    this.#verified.verify(from, clock.monotonicMs());
    concluded(hello, true);
    if (this.#observe(message) !== null && proven) met(announcement.publicKey);
  }

  /** Stores the sender, at the place it spoke from, and those it mentions; null when the store refused the sender. */
  #observe(message: ReceivedAnnouncement): Peer | null {
    const { clock, counters, store } = this.#options;
    const { announcement, from, proven, type } = message;
    const { publicKey, instance } = announcement;
    const before = store.get(publicKey);
    const answered = type === "REPLY";
    const connected = before !== undefined && isConnected(before.lastHandshakeMs, clock.wallMs());
    // An address that has not answered moves no tunnel that works.
    const stays =
      before?.endpointMethod === "lan" || (connected && before.instance === instance && !answered);
    const isPath = answered && proven;
    const method = isPath ? "dht-rendezvous" : "dht";
    const said = { knowsUs: true, answered, proven: proven ? true : undefined };
    const peer = store.observe(directSighting(announcement, method, stays ? null : from, from, said));
    counters.add(peer ? "stored" : "refused");
    if (!peer) return null;
    if (proven) this.#challenges.proved(publicKey, before?.instance !== instance, clock.monotonicMs());
    storeMentions(this.#options, announcement, "dht-transitive", connected ? null : from);
    return peer;
  }

  #greetBack(to: Endpoint, publicKey: PublicKey): void {
    if (this.#back.take(this.#options.clock.monotonicMs())) this.greet(to, true, publicKey);
  }

  /** Answers, within what an unproven address may get (weak point 11). */
  #reply(publicKey: PublicKey, to: Endpoint): void {
    const { announcer, clock } = this.#options;
    this.#outbox.post("reply", to, clock.monotonicMs(), () => {
      const reply = announcer.reply(publicKey, to, this.#verified.allowanceBytes(to, clock.monotonicMs()));
      if (!reply) return null;
      this.#verified.sent(to, reply.length);
      this.#sent.add(1, { kind: "reply" });
      return reply;
    });
  }

  #act(nowMs: number): void {
    const { send, unanswered } = this.#hellos.tick(nowMs);
    for (const hello of unanswered) this.#options.concluded(hello, false);
    for (const { to, datagram } of send) {
      this.#outbox.post("hello", to, nowMs, () => {
        if (!this.#hellos.has(to)) return null;
        this.#sent.add(1, { kind: "hello" });
        return datagram;
      });
    }
    this.#outbox.flush(nowMs);
    this.#challenges.forgetOld(nowMs);
  }

  #nextAtMs(): number | null {
    const times = [this.#hellos.nextAtMs(), this.#outbox.nextAtMs(this.#options.clock.monotonicMs())];
    const due = times.filter((time) => time !== null);
    return due.length === 0 ? null : Math.min(...due);
  }
}
