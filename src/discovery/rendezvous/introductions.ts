/**
 * The messages of the rendezvous (PROTOCOL.md section 7) on the control socket: OFFERs of ours and what comes of them, and the part of
 * the one in the middle. What a START may do is bounded by what was asked for (weak point 10).
 */
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { TokenBucket } from "../../core/tokenBucket.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey } from "../../core/types.ts";
import { isConnected } from "../../peers/connected.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeerStore } from "../../peers/store.ts";
import { MAX_CANDIDATES } from "../../wire/candidates.ts";
import { sealEnvelope } from "../../wire/envelope.ts";
import { pairId } from "../../wire/pairs.ts";
import { MESSAGE_ID_BYTES, type Prover, withProof } from "../../wire/proof.ts";
import {
  decodeInvite,
  decodeOffer,
  decodeStart,
  encodeInvite,
  encodeOffer,
  encodeStart,
  type Invite,
  MAX_LEAD_MS,
  type Offer,
  type Start,
} from "../../wire/rendezvous.ts";
import type { MessageType } from "../../wire/types.ts";
import type { Sealer } from "../seams.ts";
import type { ReadSignal, SignalAbout, SignalReaders } from "../signals.ts";
import { Buckets } from "./budget.ts";
import { type End, Introducer } from "./introducer.ts";
import { introducersFor } from "./introducers.ts";

/** A START counts so long after the OFFER: two of the pair's windows and the introducer's own wait. */
const ASKED_FOR_MS = 45_000;
/** START without a time (PROTOCOL.md section 7.4). */
const LEAD_AT_ONCE_MS = 100;
const MAX_ASKED = 1_000;
/** What one address takes of nodes of ours, and of Go nodes (PROTOCOL.md section 12: rate limit). */
const OURS = { ratePerSecond: 15, burst: 30 };
const THEIRS = { ratePerSecond: 4, burst: 8 };
/**
 * OFFERs of ours, however many peers lack a path: a whole mesh that starts has 90 at once, and one a second after that. Those by which
 * this node follows an invitation have as many again, since the other side has spent its own on them.
 */
const OFFERS = { ratePerSecond: 1, burst: 90 };
/** OFFERs and INVITEs acted on, of one sender. */
const SENDER_RATE_PER_SECOND = 10;
const SENDER_BURST = 60;

export interface IntroductionsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly sealer: Sealer;
  readonly prover: Prover;
  /** Nodes that may introduce; empty for any. */
  readonly trusted: ReadonlySet<PublicKey>;
  /** Of the control sockets within the mesh. */
  readonly gossipPort: number;
  send(data: Uint8Array, to: Endpoint): void;
  /** That control socket has answered us lately. */
  isVerified(control: Endpoint): boolean;
  /** Where a peer's control socket may be. */
  controlEndpoints(peer: Peer): Endpoint[];
  /** Where WireGuard sends to now for that peer: its address as seen from here. */
  tunnelEndpoint(publicKey: PublicKey): Endpoint | null;
  isAllowed(host: string): boolean;
  /** A START that was asked for. */
  started(start: Start, leadMs: number): void;
  /** An introducer says that this key wants to reach us. */
  invited(publicKey: PublicKey, introducer: PublicKey): void;
}

interface Asked {
  readonly introducer: PublicKey;
  readonly to: Endpoint;
  readonly atMs: number;
}

export class Introductions {
  readonly #options: IntroductionsOptions;
  readonly #introducer: Introducer;
  readonly #asked = new Map<PublicKey, readonly Asked[]>();
  readonly #toOurs = new Buckets(OURS.ratePerSecond, OURS.burst);
  readonly #toTheirs = new Buckets(THEIRS.ratePerSecond, THEIRS.burst);
  readonly #senders = new Buckets(SENDER_RATE_PER_SECOND, SENDER_BURST);
  readonly #asks: TokenBucket;
  readonly #answers: TokenBucket;

  constructor(options: IntroductionsOptions) {
    this.#options = options;
    this.#introducer = new Introducer(options.self.snapshot.publicKey);
    const nowMs = options.clock.monotonicMs();
    this.#asks = new TokenBucket(OFFERS.ratePerSecond, OFFERS.burst, nowMs);
    this.#answers = new TokenBucket(OFFERS.ratePerSecond, OFFERS.burst, nowMs);
  }

  readers(): SignalReaders {
    return new Map([
      ["RENDEZVOUS_OFFER", (payload) => read(decodeOffer(payload), ({ from }) => from, this.#offered)],
      [
        "RENDEZVOUS_START",
        (payload) => read(decodeStart(payload), ({ introducer }) => introducer, this.#started),
      ],
      ["INVITE", (payload) => read(decodeInvite(payload), ({ from }) => from, this.#invited)],
    ]);
  }

  /**
   * Asks up to three introducers for that peer, `anybody` or only those that others can reach; false when there is none, or this node has
   * asked enough for now.
   */
  ask(target: PublicKey, anybody: boolean): boolean {
    const { clock, store, self, isVerified } = this.#options;
    // Before all peers are gone through for each of many that are sought.
    if (!this.#asks.has(clock.monotonicMs())) return false;
    const nowMs = clock.wallMs();
    // In a crowd of strangers only nodes with a tunnel are asked: those that were invented introduce nobody.
    const mayKnow = (peer: Peer): boolean => !store.isCrowded || isConnected(peer.lastHandshakeMs, nowMs);
    const introducers = introducersFor({
      ownKey: self.snapshot.publicKey,
      target,
      anybody,
      peers: store.list().filter((peer) => mayKnow(peer) && this.#isTrusted(peer.publicKey)),
      answers: (peer) => peer.controlEndpoint !== null && isVerified(peer.controlEndpoint),
    });
    let asked = false;
    for (const introducer of introducers) if (this.#offer(introducer, target, this.#asks)) asked = true;
    return asked;
  }

  /** Asks that introducer, who has said that the other side asks for us. */
  answer(target: PublicKey, introducer: PublicKey): void {
    const peer = this.#options.store.get(introducer);
    if (peer !== undefined && this.#isTrusted(introducer)) this.#offer(peer, target, this.#answers);
  }

  forget(publicKey: PublicKey): void {
    this.#asked.delete(publicKey);
  }

  #isTrusted(publicKey: PublicKey): boolean {
    const { trusted } = this.#options;
    return trusted.size === 0 || trusted.has(publicKey);
  }

  #offer(introducer: Peer, target: PublicKey, budget: TokenBucket): boolean {
    const { clock, self } = this.#options;
    const to = introducer.controlEndpoint;
    if (to === null || !budget.take(clock.monotonicMs())) return false;
    const { publicKey, candidates, externalControl, natType } = self.snapshot;
    const payload = encodeOffer({
      from: publicKey,
      target,
      timestampSeconds: Math.floor(clock.wallMs() / 1000),
      candidates: externalControl === null ? [] : [externalControl],
      wireguardCandidates: candidates,
      natType,
    });
    if (!this.#send("RENDEZVOUS_OFFER", payload, introducer.publicKey, to)) return false;
    const nowMs = clock.monotonicMs();
    const before = this.#asked.get(target) ?? [];
    const others = before.filter((one) => one.introducer !== introducer.publicKey && isFresh(one, nowMs));
    this.#asked.delete(target);
    this.#asked.set(target, [...others, { introducer: introducer.publicKey, to, atMs: nowMs }]);
    if (this.#asked.size > MAX_ASKED) {
      const [oldest] = this.#asked.keys();
      if (oldest !== undefined) this.#asked.delete(oldest);
    }
    return true;
  }

  /** The part of the one in the middle: for ends that are known here, and for nobody else. */
  readonly #offered = (offer: Offer, { from }: SignalAbout): void => {
    const { clock, self, store } = this.#options;
    const sender = store.get(offer.from);
    const target = store.get(offer.target);
    if (sender === undefined || target === undefined || offer.target === self.snapshot.publicKey) return;
    if (!store.isActive(target) || !this.#senders.take(offer.from, clock.monotonicMs())) return;
    const received = { offer, from, sender: this.#endOf(sender), target: this.#endOf(target) };
    for (const effect of this.#introducer.offered(received, clock.monotonicMs(), clock.wallMs())) {
      if (effect.type === "start") {
        this.#send("RENDEZVOUS_START", encodeStart(effect.start), effect.receiver, effect.to, true);
      } else {
        this.#send("INVITE", encodeInvite(effect.invite), effect.receiver, effect.to, true);
      }
    }
  };

  readonly #started = (start: Start, { from, proven }: SignalAbout): void => {
    const { clock, self } = this.#options;
    if (start.pairId !== pairId(self.snapshot.publicKey, start.peer)) return;
    const nowMs = clock.monotonicMs();
    const asked = (this.#asked.get(start.peer) ?? []).find(
      (one) =>
        isFresh(one, nowMs) && ((proven && one.introducer === start.introducer) || isSame(one.to, from)),
    );
    if (asked === undefined) return;
    const untilMs = start.startAtMs === 0 ? LEAD_AT_ONCE_MS : start.startAtMs - clock.wallMs();
    const leadMs = start.startInMs ?? Math.min(Math.max(untilMs, 0), MAX_LEAD_MS);
    this.#options.started(start, leadMs);
  };

  readonly #invited = ({ from, peer }: Invite, { proven }: SignalAbout): void => {
    const { clock, self } = this.#options;
    if (!proven || peer === self.snapshot.publicKey) return;
    if (!this.#senders.take(from, clock.monotonicMs())) return;
    this.#options.invited(peer, from);
  };

  #endOf(peer: Peer): End {
    const { controlEndpoints, isAllowed, tunnelEndpoint } = this.#options;
    const [control = null] = controlEndpoints(peer);
    const seen = tunnelEndpoint(peer.publicKey);
    const wireguard = [
      ...(seen ? [seen] : []),
      ...peer.candidates,
      ...(peer.endpoint ? [peer.endpoint] : []),
    ];
    return {
      publicKey: peer.publicKey,
      // Where a node of ours itself has spoken from: it may never have had to answer us. A guess is none.
      control: peer.proven && peer.controlEndpoint === null ? null : control,
      ours: peer.proven,
      wireguard: wireguard.filter(({ host }) => isAllowed(host)).slice(0, MAX_CANDIDATES),
      natType: peer.natType,
    };
  }

  /**
   * False when that address has got enough for now.
   *
   * @param inside also through the tunnel, where there is one: a NAT forgets the way to a control socket that rests, and WireGuard's
   * keepalive holds its own. Whichever comes second is a repetition.
   */
  #send(type: MessageType, payload: string, receiver: PublicKey, to: Endpoint, inside = false): boolean {
    const { clock, prover, random, sealer, send, store } = this.#options;
    const budget = store.hasProven(receiver) ? this.#toOurs : this.#toTheirs;
    if (!budget.take(endpointText(to), clock.monotonicMs())) return false;
    const proven = withProof(payload, type, receiver, prover, random.bytes(MESSAGE_ID_BYTES));
    const data = sealEnvelope(type, proven, sealer, random);
    send(data, to);
    const host = inside ? this.#meshHost(store.get(receiver)) : null;
    if (host !== null) send(data, { host, port: this.#options.gossipPort });
    return true;
  }

  /** Null for a peer without a tunnel, or of the other implementation. */
  #meshHost(peer: Peer | undefined): IpAddress | null {
    const isReached =
      peer?.proven === true && isConnected(peer.lastHandshakeMs, this.#options.clock.wallMs());
    return isReached ? peer.meshIp : null;
  }
}

function read<T>(
  decoded: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly field: string },
  senderOf: (value: T) => PublicKey | null,
  act: (value: T, about: SignalAbout) => void,
): ReadSignal {
  if (!decoded.ok) return decoded;
  const { value } = decoded;
  return { ok: true, sender: senderOf(value), act: (about) => act(value, about) };
}

const isFresh = ({ atMs }: Asked, nowMs: number): boolean => nowMs - atMs < ASKED_FOR_MS;

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.host === b.host;
}
