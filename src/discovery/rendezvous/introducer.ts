/**
 * The part of the one in the middle (PROTOCOL.md section 7.3): two ends that each offer to meet get, at the same time, a START with the
 * other's addresses. Pure: (offer, now) -> what to send.
 *
 * Unlike the Go peer, every node of ours does this for pairs it knows both ends of (weak point 21), and asks an end of ours that has not
 * offered to do so, since such a one obeys no START it did not ask for (weak point 10).
 */
import { type Endpoint, endpointText, type PublicKey } from "../../core/types.ts";
import type { NatType } from "../../peers/peer.ts";
import { MAX_START_CANDIDATES, readCandidates, spreadCandidates } from "../../wire/candidates.ts";
import { pairId } from "../../wire/pairs.ts";
import type { Invite, Offer, Start } from "../../wire/rendezvous.ts";

const SESSION_MS = 20_000;
/** A START for the same pair again. */
const AGAIN_MS = 8_000;
/** An end of ours that is asked for its offer. */
const INVITE_AGAIN_MS = 2_000;
const MAX_SESSIONS = 1_024;
/** How long a pair is remembered, so that its attempts take turns. */
const REMEMBER_MS = 10 * 60_000;

/** Go nodes are given a start by the clock (PROTOCOL.md section 12). */
const GO_LEAD_MS = 1_800;
/** To nodes of ours a START takes half a round trip, and theirs differ by less than this. */
const LEAD_MS = 250;
/** The side that goes second: long enough for the other's packets to have opened its NAT. */
export const SECOND_SIDE_MS = 400;

/** One end, as the introducer knows it. */
export interface End {
  readonly publicKey: PublicKey;
  /** Where its control socket is seen; null when that is not known. */
  readonly control: Endpoint | null;
  /** It proves itself: a node of ours. */
  readonly ours: boolean;
  /** Where its WireGuard may be, the best first. */
  readonly wireguard: readonly Endpoint[];
  readonly natType: NatType;
}

interface Offered {
  readonly end: End;
  readonly control: Endpoint;
  readonly candidates: readonly Endpoint[];
  readonly atMs: number;
}

interface Session {
  readonly offers: ReadonlyMap<PublicKey, Offered>;
  readonly touchedAtMs: number;
  readonly startedAtMs: number;
  readonly invitedAtMs: number;
  /** STARTs so far: odd and even ones let different sides go first. */
  readonly starts: number;
}

export type IntroducerEffect =
  | { readonly type: "start"; readonly to: Endpoint; readonly receiver: PublicKey; readonly start: Start }
  | { readonly type: "invite"; readonly to: Endpoint; readonly receiver: PublicKey; readonly invite: Invite };

export interface OfferReceived {
  readonly offer: Offer;
  readonly from: Endpoint;
  readonly sender: End;
  readonly target: End;
}

export class Introducer {
  readonly #ownKey: PublicKey;
  readonly #sessions = new Map<string, Session>();

  constructor(ownKey: PublicKey) {
    this.#ownKey = ownKey;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** `wallMs` is Unix time. */
  offered(received: OfferReceived, nowMs: number, wallMs: number): IntroducerEffect[] {
    const { offer, from, sender, target } = received;
    this.#forgetOld(nowMs);
    const pair = pairId(offer.from, offer.target);
    const before = this.#sessions.get(pair);
    const offers = new Map([...(before?.offers ?? [])].filter(([, { atMs }]) => nowMs - atMs < SESSION_MS));
    offers.set(sender.publicKey, offeredBy(sender, from, offer, nowMs));
    if (!target.ours && target.control !== null && !offers.has(target.publicKey)) {
      offers.set(target.publicKey, madeUp(target, target.control, nowMs));
    }
    const session: Session = {
      offers,
      touchedAtMs: nowMs,
      startedAtMs: before?.startedAtMs ?? Number.NEGATIVE_INFINITY,
      invitedAtMs: before?.invitedAtMs ?? Number.NEGATIVE_INFINITY,
      starts: before?.starts ?? 0,
    };
    const [a, b] = [offers.get(sender.publicKey), offers.get(target.publicKey)];
    if (a !== undefined && b !== undefined) return this.#start(pair, session, a, b, nowMs, wallMs);
    return this.#invite(pair, session, target, sender.publicKey, nowMs, wallMs);
  }

  #start(
    pair: string,
    session: Session,
    a: Offered,
    b: Offered,
    nowMs: number,
    wallMs: number,
  ): IntroducerEffect[] {
    if (nowMs - session.startedAtMs < AGAIN_MS) {
      this.#keep(pair, session);
      return [];
    }
    this.#keep(pair, { ...session, offers: new Map(), startedAtMs: nowMs, starts: session.starts + 1 });
    const leadMs = a.end.ours && b.end.ours ? LEAD_MS : GO_LEAD_MS;
    // The lower key goes first, the next time the higher one: never both at once, so that each knows which it is.
    const turn = session.starts % 2;
    const lower = a.end.publicKey < b.end.publicKey ? a : b;
    const delayOf = (end: Offered): number => ((end === lower) === (turn === 0) ? 0 : SECOND_SIDE_MS);
    const startFor = (receiver: Offered, other: Offered): IntroducerEffect => ({
      type: "start",
      to: receiver.control,
      receiver: receiver.end.publicKey,
      start: {
        peer: other.end.publicKey,
        pairId: pair,
        introducer: this.#ownKey,
        timestampSeconds: Math.floor(wallMs / 1000),
        candidates:
          receiver.end.ours && other.end.ours ? other.candidates.slice(0, 4) : spread(other.candidates),
        wireguardCandidates: other.end.wireguard,
        natType: other.end.natType,
        startAtMs: Math.floor(wallMs) + leadMs,
        startInMs: leadMs,
        delayMs: delayOf(receiver),
      },
    });
    return [startFor(a, b), startFor(b, a)];
  }

  #invite(
    pair: string,
    session: Session,
    target: End,
    peer: PublicKey,
    nowMs: number,
    wallMs: number,
  ): IntroducerEffect[] {
    const again = nowMs - session.invitedAtMs < INVITE_AGAIN_MS;
    if (target.control === null || again) {
      this.#keep(pair, session);
      return [];
    }
    this.#keep(pair, { ...session, invitedAtMs: nowMs });
    const invite = { from: this.#ownKey, peer, timestampSeconds: Math.floor(wallMs / 1000) };
    return [{ type: "invite", to: target.control, receiver: target.publicKey, invite }];
  }

  #keep(pair: string, session: Session): void {
    this.#sessions.delete(pair);
    this.#sessions.set(pair, session);
    if (this.#sessions.size <= MAX_SESSIONS) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }

  #forgetOld(nowMs: number): void {
    for (const [pair, { touchedAtMs }] of this.#sessions) {
      if (nowMs - touchedAtMs < REMEMBER_MS) return;
      this.#sessions.delete(pair);
    }
  }
}

function offeredBy(end: End, from: Endpoint, offer: Offer, atMs: number): Offered {
  const wireguard = distinct([...end.wireguard.slice(0, 1), ...offer.wireguardCandidates, ...end.wireguard]);
  return {
    end: { ...end, wireguard },
    control: from,
    candidates: distinct([from, ...offer.candidates]),
    atMs,
  };
}

/** A Go node acts on any START, so it need not have offered. */
function madeUp(end: End, control: Endpoint, atMs: number): Offered {
  return { end, control, candidates: [control], atMs };
}

function spread(candidates: readonly Endpoint[]): Endpoint[] {
  return readCandidates(spreadCandidates(candidates.map(endpointText)), MAX_START_CANDIDATES);
}

function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}
