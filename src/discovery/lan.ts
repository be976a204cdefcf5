/**
 * LAN discovery (row D1, PROTOCOL.md section 6.3): announcements by multicast on every suitable link. A newcomer is answered
 * at once by a HELLO, so that it need not wait for our next announcement.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { PeerStore } from "../peers/store.ts";
import { lanEndpoint } from "../wire/endpointRules.ts";
import type { Announcer } from "./announcer.ts";
import type { Counters } from "./counters.ts";
import type { ReceivedAnnouncement } from "./inbound.ts";
import { LanSockets } from "./lanSockets.ts";
import { LanTurns } from "./lanTurns.ts";
import { MAX_PER_SECOND, OutboundBudget } from "./outboundBudget.ts";
import { QuietSources } from "./quietSources.ts";
import type { LayerStatus, Underlay, UnderlayLink } from "./seams.ts";
import { directSighting } from "./sightings.ts";
import type { UdpSocketFactory } from "./udpSocket.ts";

export interface LanOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly underlay: Underlay;
  readonly announcer: Announcer;
  readonly counters: Counters;
  readonly bind: UdpSocketFactory;
  readonly group: string;
  readonly port: number;
  /** Whether the link may be used (`--discovery-iface`, excludes; row D11). */
  allows(link: UnderlayLink): boolean;
  /** A datagram of the group, for the receive path. */
  datagram(data: Buffer, source: Endpoint): void;
  /** A peer of the LAN spoke; `meet` is true when it must learn of us. */
  heard(message: ReceivedAnnouncement, meet: boolean): void;
  /** A peer that proves itself is to do so at this address. */
  challenge(publicKey: PublicKey, host: string): void;
}

/** A first announcement can be lost, and the newcomer should not wait seconds for the next. */
const BURST_AT_MS = [0, 200, 500, 1000] as const;
const EVERY_MS = 5_000;
/** After so many announcements at that pace nothing new is to be expected, and the pace slows down. */
const EAGER_ANNOUNCEMENTS = 12;
/**
 * A newcomer announces itself and is answered at once, so this one matters only where two halves of a LAN are joined
 * again: they find each other within 15 s.
 */
const CALM_EVERY_MS = 12_000;
/** Nodes started by one script must not speak at the same moment for ever. */
const JITTER_MS = 500;
/** All of a LAN that answer one newcomer by multicast too spread over this time. */
const ANSWER_WITHIN_MS = 300;
/** A peer on two of our links speaks from two addresses; the one in use stays while it is heard this often. */
const KEEP_SOURCE_MS = 2 * CALM_EVERY_MS + 5_000;
const MAX_SOURCES = 1_000;
/** Links are looked at again this often even without a change event. */
const LOOK_AGAIN_MS = 30_000;

export class Lan {
  readonly #options: LanOptions;
  readonly #sockets: LanSockets;
  readonly #budget = new OutboundBudget();
  readonly #turns = new LanTurns();
  readonly #quiet = new QuietSources();
  readonly #pacemaker: Pacemaker;
  readonly #sources = new Map<PublicKey, { readonly host: string; readonly atMs: number }>();
  /** When announcements are due, the earliest first. */
  #due: number[] = [];
  /** What was announced last: it comes back to us. */
  #lastSent: Buffer | null = null;
  /** Announcements since the last burst. */
  #announced = 0;
  #lookAtMs = 0;
  #running = false;

  constructor(options: LanOptions) {
    this.#options = options;
    this.#sockets = new LanSockets({ ...options, datagram: (data, from) => this.#datagram(data, from) });
    this.#pacemaker = new Pacemaker(options.clock, {
      nextAtMs: () => Math.min(this.#lookAtMs, this.#announceAtMs()),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  /** The body of its task: follows the links and announces until the signal fires, then closes its sockets. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, underlay } = this.#options;
    const unsubscribe = underlay.onChange(() => {
      this.#lookAtMs = clock.monotonicMs();
      this.#pacemaker.wake();
    });
    this.#lookAtMs = clock.monotonicMs();
    this.#running = true;
    try {
      await this.#pacemaker.run(signal);
    } finally {
      this.#running = false;
      unsubscribe();
      this.#sockets.close();
    }
  }

  /** Announces at once and a few times more: we are new, or something about us changed. */
  burst(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#due = BURST_AT_MS.map((delayMs) => nowMs + delayMs);
    this.#announced = 0;
    this.#pacemaker.wake();
  }

  /** Takes an announcement that passed the receive path. */
  receive(message: ReceivedAnnouncement): void {
    const { counters, random, self, store, underlay } = this.#options;
    const { announcement, from, repeat } = message;
    if (repeat) return;
    if (underlay.isInsideMesh(from.host)) {
      counters.add("refused");
      return;
    }
    const before = store.get(announcement.publicKey);
    const anew =
      before !== undefined && announcement.instance !== "" && announcement.instance !== before.instance;
    const endpoint = this.#keepsSource(announcement.publicKey, from.host, anew)
      ? lanEndpoint(announcement.wgEndpoint, from.host, announcement.wireguardPort)
      : null;
    const peer = store.observe(directSighting(announcement, "lan", endpoint, from));
    counters.add(peer ? "stored" : "refused");
    if (!peer) return;
    if (before?.proven && !anew) this.#turns.heard(announcement.publicKey);
    this.#options.heard(message, !peer.knowsUs);
    // Our HELLO would give it the address we have towards the Internet; only multicast says that we are near.
    if ((before === undefined || anew) && self.snapshot.externalHost !== null) {
      this.#announceWithin(random.unit() * ANSWER_WITHIN_MS);
    }
  }

  /**
   * Takes an announcement in the name of a peer that proves itself. Multicast is for nobody in particular, so it cannot carry a
   * proof: where it tells news, the peer is asked by a HELLO.
   */
  receiveUnproven(message: ReceivedAnnouncement): void {
    const { challenge, store, underlay } = this.#options;
    const { announcement, from } = message;
    if (underlay.isInsideMesh(from.host)) return;
    const peer = store.get(announcement.publicKey);
    const anew = announcement.instance !== "" && announcement.instance !== peer?.instance;
    if (!this.#keepsSource(announcement.publicKey, from.host, anew)) return;
    if (anew || !this.#isKnownAt(announcement.publicKey, from.host)) {
      challenge(announcement.publicKey, from.host);
      return;
    }
    this.#turns.heard(announcement.publicKey);
    const { clock } = this.#options;
    if (announcement.rotations === undefined)
      this.#quiet.opened(from, announcement.publicKey, clock.monotonicMs());
  }

  status(): LayerStatus {
    const { group, port } = this.#options;
    const { links, lastError } = this.#sockets;
    const detail = `${group}:${port} on ${links.length === 0 ? "no link" : links.join(", ")}`;
    const works = links.length > 0 && lastError === null;
    return {
      name: "lan",
      state: this.#running ? (works ? "running" : "degraded") : "stopped",
      detail,
      lastError,
    };
  }

  async #act(nowMs: number): Promise<void> {
    if (nowMs >= this.#lookAtMs) {
      this.#lookAtMs = nowMs + LOOK_AGAIN_MS;
      await this.#followLinks();
    }
    if (nowMs >= this.#announceAtMs()) this.#announce(this.#options.clock.monotonicMs());
  }

  async #followLinks(): Promise<void> {
    const { log, underlay, allows } = this.#options;
    try {
      const appeared = await this.#sockets.follow(underlay.suitableLinks().filter(allows));
      if (appeared.length === 0) return;
      log.debug({ links: appeared }, "announcing on links");
      this.burst();
    } catch (error) {
      // The next look tries again; the other layers work without this one.
      log.warn({ reason: messageOf(error) }, "LAN discovery cannot listen");
    }
  }

  #announce(nowMs: number): void {
    const { announcer, random } = this.#options;
    this.#announced += 1;
    this.#due = this.#due.filter((atMs) => atMs > nowMs);
    const isCalm = this.#announced >= EAGER_ANNOUNCEMENTS;
    if (this.#due.length === 0) {
      const everyMs = isCalm ? CALM_EVERY_MS : EVERY_MS;
      this.#due.push(nowMs + everyMs + (random.unit() * 2 - 1) * JITTER_MS);
    }
    // With a second link nobody knows which of them was spoken on.
    if (isCalm && this.#sockets.links.length === 1 && this.#turns.passes(nowMs)) return;
    this.#turns.spoke(nowMs);
    this.#budget.spend(this.#options.group, nowMs);
    this.#lastSent = announcer.lan();
    this.#sockets.send(this.#lastSent);
  }

  /** When the next announcement goes out, no more than the budget allows. */
  #announceAtMs(): number {
    const [due = Number.POSITIVE_INFINITY] = this.#due;
    return this.#budget.freeAtMs(this.#options.group, due);
  }

  #announceWithin(delayMs: number): void {
    const atMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#announceAtMs() <= atMs || this.#due.length > MAX_PER_SECOND) return;
    this.#due.unshift(atMs);
    this.#pacemaker.wake();
  }

  /** Neither what is our own nor what comes from where a peer of ours says the same all the time changes anything: it is not even opened. */
  #datagram(data: Buffer, from: Endpoint): void {
    const { clock, counters, datagram } = this.#options;
    if (this.#lastSent?.equals(data)) {
      counters.add("received");
      counters.add("own");
      return;
    }
    const publicKey = this.#quiet.passes(from, clock.monotonicMs());
    if (publicKey === null || !this.#isKnownAt(publicKey, from.host)) {
      datagram(data, from);
      return;
    }
    counters.add("received");
    counters.add("unproven");
    if (this.#keepsSource(publicKey, from.host, false)) this.#turns.heard(publicKey);
  }

  #isKnownAt(publicKey: PublicKey, host: string): boolean {
    const peer = this.#options.store.get(publicKey);
    return peer?.endpointMethod === "lan" && peer.endpoint?.host === host;
  }

  /** False for the second address of a peer whose first one is still heard: its endpoint would move to and fro. */
  #keepsSource(publicKey: PublicKey, host: string, anew: boolean): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#sources.get(publicKey);
    if (known && !anew && known.host !== host && nowMs - known.atMs < KEEP_SOURCE_MS) return false;
    this.#sources.delete(publicKey);
    this.#sources.set(publicKey, { host, atMs: nowMs });
    if (this.#sources.size > MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return true;
  }
}
