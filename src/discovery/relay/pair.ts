/**
 * This node and one peer: whether they need a relay, which one they take, and when they leave it. Pure: what is true and the time
 * come in, effects go out; relayClient.ts carries them out.
 *
 * The lower key of the pair leads: it asks one relay after the other, in an order that is the same for both (choice.ts). When it
 * does nothing for 10 s, because it does not know of the trouble or reaches no relay, the other end asks. Whoever is told of a
 * session opens it, and WireGuard is moved onto it only when an echo came back from the peer.
 */
import type { Endpoint, PublicKey } from "../../core/types.ts";
import { SESSION_LIFETIME_MS } from "../../peers/connected.ts";
import type { Refusal, SwitchStep } from "../../wire/relay.ts";
import { PATIENCE_MS, type PairEffect, type PairFacts, patienceFor } from "./pairFacts.ts";
import { isGone, reasonText } from "./reasons.ts";
import { RelaySession, replaces } from "./session.ts";
import { Upgrade, type UpgradeEffect } from "./upgrade.ts";

/** So long a punched hole has it when a direct path has just gone silent: traffic waits. */
const SILENT_PATIENCE_MS = 700;
/** So long the other end waits for the one that leads. */
const LEAD_MS = 10_000;
/** And when a path was lost, which the one that leads may not have noticed. */
const LOST_LEAD_MS = 1_500;
const OFFER_WITHIN_MS = 2_000;
/** A session that shows no life so long after it was offered gets company: its relay may be behind a firewall. */
const DOUBT_MS = 1_200;
/** An offer that comes later than this answers nothing. */
const ASKED_MS = 10_000;
const FIRST_ROUND_PAUSE_MS = 3_000;
const MAX_ROUND_PAUSE_MS = 120_000;
/** A relay that failed is asked last for so long. */
const FAILED_MS = 60_000;
/** From then on it is said that there is no path. */
const IMPOSSIBLE_MS = 15_000;
/** A session whose peer went direct by itself just before is needless. */
const RACE_MS = 6_000;
/** Two ends may have asked at once; more is somebody's game. */
const MAX_SESSIONS = 3;
/** Two clocks tell when a handshake was, and when a session was verified. */
const CLOCK_MARGIN_MS = 50;
/** A pair that needs no relay is kept for what it remembers, and wakes seldom. */
const REST_MS = 60_000;
/** How long a session that both ends have, but not use, stays. */
const SPARE_MS = 5_000;

export class RelayPair {
  readonly #peer: PublicKey;
  readonly #own: PublicKey;
  readonly #leads: boolean;
  readonly #upgrade: Upgrade;
  readonly #sessions = new Map<string, RelaySession>();
  readonly #failedUntilMs = new Map<PublicKey, number>();
  #active: RelaySession | null = null;
  /** Since when there is neither a handshake nor a relay. */
  #aloneSinceMs: number | null = null;
  /** Handshakes before this prove no path that there is now. */
  #lostAtMs = Number.NEGATIVE_INFINITY;
  /** The direct path has proved itself after that all the same. */
  #heardAtMs = Number.NEGATIVE_INFINITY;
  /** It was said that there is no path. */
  #said = false;
  #punchFailure: string | null = null;
  #lastOfferMs = Number.NEGATIVE_INFINITY;
  #asked: { readonly relay: PublicKey; readonly atMs: number } | null = null;
  #tried = new Set<PublicKey>();
  #lastRefusal: Refusal | "silent" | "broken" | null = null;
  #nextRoundMs = 0;
  #roundPauseMs = FIRST_ROUND_PAUSE_MS;
  #effects: PairEffect[] = [];

  constructor(own: PublicKey, peer: PublicKey, empties = false) {
    this.#own = own;
    this.#peer = peer;
    this.#leads = own < peer;
    this.#upgrade = new Upgrade(this.#leads, empties);
  }

  get active(): RelaySession | null {
    return this.#active;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** True while the direct path is on trial, with the relay to fall back on. */
  get onTrial(): boolean {
    return this.#upgrade.onTrial;
  }

  session(id: string): RelaySession | undefined {
    return this.#sessions.get(id);
  }

  /** Whether a session that a relay offers is one of those we could want. */
  wants(id: string, relay: PublicKey, lead: PublicKey, nowMs: number): boolean {
    if (this.#sessions.has(id) || this.#sessions.size >= MAX_SESSIONS) return false;
    if (lead === this.#peer) return true;
    const asked = this.#asked;
    return lead === this.#own && asked?.relay === relay && nowMs - asked.atMs < ASKED_MS;
  }

  /** The bridge of an offered session is open. */
  opened(id: string, relay: PublicKey, lead: PublicKey, nowMs: number): void {
    this.#sessions.set(id, new RelaySession(id, relay, lead, nowMs));
    this.#lastOfferMs = nowMs;
    if (lead === this.#own) this.#asked = null;
  }

  /** An echo came: an answer verifies the session, a question only shows that the other end is there. */
  echoed(id: string, answer: boolean, nowMs: number): PairEffect[] {
    const session = this.#sessions.get(id);
    if (session === undefined) return [];
    session.heard(nowMs);
    // The other end has gone back to the relay: its checks did not come through.
    if (!answer && session === this.#active) this.#carryOut(this.#upgrade.calledBack(nowMs), nowMs);
    if (answer && session.verifiedAtMs === null) {
      session.verifiedAtMs = nowMs;
      this.#do({ do: "deliver", session, on: true });
      if (this.#active === null || replaces(session, this.#active, this.#peer)) this.#use(session);
    }
    return this.#take();
  }

  refused(relay: PublicKey, reason: Refusal): void {
    if (this.#asked?.relay !== relay) return;
    this.#asked = null;
    this.#lastRefusal = reason;
  }

  /** The relay or the other end ended the session. */
  closed(id: string, nowMs: number): PairEffect[] {
    const session = this.#sessions.get(id);
    if (session === undefined) return [];
    const used = session === this.#active && !this.#upgrade.onTrial;
    if (used) this.#failedUntilMs.set(session.relay, nowMs + FAILED_MS);
    this.#drop(session, false, nowMs);
    return this.#take();
  }

  /** The relay said farewell, or is not to be trusted any more. */
  relayGone(relay: PublicKey, nowMs: number): PairEffect[] {
    if (this.#asked?.relay === relay) this.#asked = null;
    for (const session of [...this.#sessions.values()]) {
      if (session.relay === relay) this.#fail(session, nowMs);
    }
    return this.#take();
  }

  /** Nothing comes back on the direct path, though its session is young. */
  silent(nowMs: number): PairEffect[] {
    if (this.#active !== null) {
      this.#carryOut(this.#upgrade.failed(nowMs), nowMs);
    } else if (this.#aloneSinceMs === null || this.#heardAtMs > this.#lostAtMs) {
      this.#lostAtMs = nowMs;
      this.#aloneSinceMs = nowMs - PATIENCE_MS + SILENT_PATIENCE_MS;
      this.#upgrade.fellBack(nowMs);
    }
    return this.#take();
  }

  /** The path that was silent works. */
  heard(nowMs: number): void {
    if (this.#active === null) this.#heardAtMs = nowMs;
  }

  /** What failed until now says nothing any more. */
  networkBack(): void {
    this.#failedUntilMs.clear();
    this.#newRound(0, FIRST_ROUND_PAUSE_MS);
  }

  punchFailed(reason: string): void {
    this.#punchFailure = reason;
  }

  punchAnswered(endpoint: Endpoint, nowMs: number): void {
    if (this.#active !== null) this.#upgrade.answered(endpoint, nowMs);
  }

  switched(id: string, step: SwitchStep, forced: boolean, nowMs: number): PairEffect[] {
    if (this.#active?.id !== id) return [];
    if (forced && step === "propose") this.#do({ do: "switch", session: this.#active, step: "refuse" });
    else this.#carryOut(this.#upgrade.heard(step, nowMs), nowMs);
    return this.#take();
  }

  tick(facts: PairFacts, nowMs: number): PairEffect[] {
    this.#watchSessions(facts, nowMs);
    if (this.#active !== null) {
      if (!facts.forced || this.#upgrade.onTrial) this.#carryOut(this.#upgrade.tick(nowMs), nowMs);
    } else if (this.#isConnected(facts, nowMs) && !facts.forced) {
      this.#connected();
    } else {
      if (this.#aloneSinceMs === null) {
        this.#aloneSinceMs = nowMs;
        // Where it went direct to may be no more; the store knows of what comes.
        this.#do({ do: "direct", endpoint: null });
      }
      this.#seek(facts, nowMs);
    }
    return this.#take();
  }

  /** Ends it all: the peer is gone, or we are. */
  end(tell: boolean): PairEffect[] {
    for (const session of this.#sessions.values()) this.#do({ do: "close", session, tell });
    this.#sessions.clear();
    this.#active = null;
    return this.#take();
  }

  /** True when nothing is to be remembered. */
  isIdle(facts: PairFacts, nowMs: number): boolean {
    if (this.#sessions.size > 0 || facts.forced || this.#upgrade.isWary(nowMs)) return false;
    return this.#isConnected(facts, nowMs);
  }

  /** When to tick next. Sessions in use that are not about to be changed know it themselves. */
  nextAtMs(facts: PairFacts, nowMs: number): number {
    if (this.#sessions.size > 0) {
      const asked = [...this.#sessions.values()].filter((session) => !this.#isParked(session));
      const latestMs = this.#active === null || this.#upgrade.onTrial ? nowMs + 1_000 : Infinity;
      return Math.min(latestMs, ...asked.map((session) => session.nextAtMs(nowMs)));
    }
    if (this.#isConnected(facts, nowMs) && !facts.forced) return nowMs + REST_MS;
    if (this.#asked !== null) return Math.max(nowMs + 1, this.#asked.atMs + OFFER_WITHIN_MS);
    const seekAtMs = Math.max(this.#seekAtMs(facts), this.#nextRoundMs);
    const sayAtMs = (this.#aloneSinceMs ?? nowMs) + IMPOSSIBLE_MS;
    const soonest = nowMs < sayAtMs ? Math.min(seekAtMs, sayAtMs) : seekAtMs;
    return Math.max(soonest, nowMs + 50);
  }

  #watchSessions(facts: PairFacts, nowMs: number): void {
    for (const session of [...this.#sessions.values()]) {
      const traffic = facts.traffic(session.id);
      if (traffic !== null) session.moved(traffic, nowMs);
      if (this.#isParked(session)) continue;
      if (session.isLost(nowMs)) {
        this.#fail(session, nowMs);
      } else if (this.#isNeedless(session, facts, nowMs)) {
        this.#drop(session, true, nowMs);
        this.#connected();
      } else if (this.#isSpare(session, nowMs)) {
        this.#drop(session, true, nowMs);
      } else if (session.takeEcho(nowMs)) {
        this.#do({ do: "echo", session });
      }
    }
  }

  /** On trial nothing goes through the session in use: it is asked nothing, so what is due of it stays due. */
  #isParked(session: RelaySession): boolean {
    return session === this.#active && this.#upgrade.onTrial;
  }

  /** A direct handshake came while the session was opened. Before it is verified nothing is delivered, so it was direct. */
  #isNeedless(session: RelaySession, facts: PairFacts, nowMs: number): boolean {
    // With a session in use, that is where handshakes came through.
    if (facts.forced || this.#active !== null) return false;
    const atMs = nowMs - facts.handshakeAgeMs;
    return (
      atMs > this.#lostAtMs &&
      atMs > session.openedAtMs - RACE_MS &&
      atMs < (session.verifiedAtMs ?? Number.POSITIVE_INFINITY) - CLOCK_MARGIN_MS
    );
  }

  #isSpare(session: RelaySession, nowMs: number): boolean {
    const unused = this.#active !== null && session !== this.#active && session.verifiedAtMs !== null;
    return unused && nowMs - Math.max(session.verifiedAtMs ?? 0, this.#active?.verifiedAtMs ?? 0) > SPARE_MS;
  }

  #isConnected({ handshakeAgeMs }: PairFacts, nowMs: number): boolean {
    if (handshakeAgeMs >= SESSION_LIFETIME_MS) return false;
    return nowMs - handshakeAgeMs > this.#lostAtMs || this.#heardAtMs > this.#lostAtMs;
  }

  #connected(): void {
    if (this.#said) this.#do({ do: "direct", endpoint: null });
    this.#said = false;
    this.#aloneSinceMs = null;
    this.#punchFailure = null;
    this.#asked = null;
    this.#newRound(0, FIRST_ROUND_PAUSE_MS);
  }

  #seekAtMs(facts: PairFacts): number {
    const sinceMs = this.#aloneSinceMs ?? 0;
    const wasLost = this.#lostAtMs > Number.NEGATIVE_INFINITY;
    const patienceMs = this.#punchFailure === null ? patienceFor(facts, wasLost) : 0;
    if (this.#leads) return sinceMs + patienceMs;
    return Math.max(sinceMs + patienceMs, this.#lastOfferMs) + (wasLost ? LOST_LEAD_MS : LEAD_MS);
  }

  #seek(facts: PairFacts, nowMs: number): void {
    if (this.#asked !== null && nowMs - this.#asked.atMs >= OFFER_WITHIN_MS) {
      this.#asked = null;
      this.#lastRefusal = "silent";
    }
    this.#sayImpossible(facts, nowMs);
    const busy = this.#asked !== null || this.#isOpening(nowMs);
    if (busy || nowMs < this.#seekAtMs(facts) || nowMs < this.#nextRoundMs) return;
    const untried = facts.relays.filter((relay) => !this.#tried.has(relay));
    const isFit = (relay: PublicKey): boolean => (this.#failedUntilMs.get(relay) ?? 0) <= nowMs;
    const relay = untried.find(isFit) ?? untried[0];
    if (relay === undefined) {
      this.#newRound(nowMs + this.#roundPauseMs, Math.min(MAX_ROUND_PAUSE_MS, this.#roundPauseMs * 2));
      return;
    }
    this.#tried.add(relay);
    this.#asked = { relay, atMs: nowMs };
    this.#do({ do: "ask", relay });
  }

  #isOpening(nowMs: number): boolean {
    if (this.#sessions.size >= MAX_SESSIONS) return true;
    return [...this.#sessions.values()].some(({ openedAtMs }) => nowMs - openedAtMs < DOUBT_MS);
  }

  #newRound(atMs: number, pauseMs: number): void {
    this.#tried = new Set();
    this.#nextRoundMs = atMs;
    this.#roundPauseMs = pauseMs;
  }

  #sayImpossible(facts: PairFacts, nowMs: number): void {
    const aloneMs = nowMs - (this.#aloneSinceMs ?? nowMs);
    if (aloneMs < IMPOSSIBLE_MS || this.#sessions.size > 0 || this.#isConnected(facts, nowMs)) return;
    this.#said = true;
    const reason = reasonText(this.#punchFailure, facts, this.#lastRefusal);
    const lostMs = nowMs - Math.max(this.#lostAtMs, this.#aloneSinceMs ?? nowMs);
    this.#do(isGone(facts, lostMs) ? { do: "silent" } : { do: "impossible", reason });
  }

  #use(session: RelaySession): void {
    this.#active = session;
    this.#said = false;
    this.#upgrade.reset();
    this.#aloneSinceMs = null;
    this.#newRound(0, FIRST_ROUND_PAUSE_MS);
    this.#do({ do: "relayed", session });
  }

  #fail(session: RelaySession, nowMs: number): void {
    this.#failedUntilMs.set(session.relay, nowMs + FAILED_MS);
    this.#lastRefusal = "broken";
    this.#drop(session, true, nowMs);
  }

  #drop(session: RelaySession, tell: boolean, nowMs: number): void {
    this.#sessions.delete(session.id);
    this.#do({ do: "close", session, tell });
    if (session !== this.#active) return;
    const settled = this.#upgrade.onTrial;
    this.#active = null;
    this.#upgrade.reset();
    const next = [...this.#sessions.values()].find(({ verifiedAtMs }) => verifiedAtMs !== null);
    if (next !== undefined && !settled) {
      this.#use(next);
    } else if (!settled) {
      // Handshakes up to now went through the relay.
      this.#lostAtMs = nowMs;
      this.#aloneSinceMs = nowMs - PATIENCE_MS;
      this.#do({ do: "direct", endpoint: null });
    }
  }

  #carryOut(effects: readonly UpgradeEffect[], nowMs: number): void {
    for (const effect of effects) {
      const session = this.#active;
      if (session === null) return;
      if (effect.do === "say") this.#do({ do: "switch", session, step: effect.step });
      else if (effect.do === "direct") this.#do(effect);
      else if (effect.do === "shut") this.#do({ do: "deliver", session, on: false });
      else if (effect.do === "relay") {
        session.heard(nowMs);
        this.#do({ do: "deliver", session, on: true });
        this.#do({ do: "relayed", session });
        // The other end need not wait for checks that do not come.
        this.#do({ do: "echo", session });
      } else {
        this.#sessions.delete(session.id);
        this.#active = null;
        this.#do({ do: "close", session, tell: true });
      }
    }
  }

  #do(effect: PairEffect): void {
    this.#effects.push(effect);
  }

  #take(): PairEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
