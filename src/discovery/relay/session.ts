/**
 * One session with a relay as one of its ends sees it: when it is asked whether it works, and when it is given up. Pure: time and
 * totals come in as arguments.
 */
import { BEAT_MS, nextBeatMs } from "../../core/beat.ts";
import type { PublicKey } from "../../core/types.ts";
import type { BridgeTraffic } from "./plane.ts";

/** A session that no echo came back through for so long is given up before it is used. */
const OPEN_WITHIN_MS = 4_000;
const FIRST_ECHO_PAUSE_MS = 150;
const MAX_ECHO_PAUSE_MS = 400;
/** What we send is mostly answered within this; who only listens answers an echo. */
const ANSWER_MS = 1_000;
/** A tunnel at rest has a keepalive every 25 s from both ends. */
const REST_MS = 30_000;
const LOOK_MS = 1_000;
/** A tunnel that was used so lately will be again. */
const RESTS_AFTER_MS = 10_000;
const REST_LOOK_MS = BEAT_MS / 2;
/** Two ends that ask at the same time are offered their sessions within this. */
const AT_ONCE_MS = 3_000;
/** Echoes in a row that go unanswered before a relay is given up. */
const LOST_ECHOES = 4;

export class RelaySession {
  readonly id: string;
  readonly relay: PublicKey;
  readonly lead: PublicKey;
  readonly openedAtMs: number;
  /** Null until an echo came back. */
  verifiedAtMs: number | null = null;
  #heardAtMs: number;
  #traffic: BridgeTraffic = { rxPackets: 0, txPackets: 0 };
  #sentAtLastWord = 0;
  #echoAtMs: number;
  #echoPauseMs = FIRST_ECHO_PAUSE_MS;
  #unanswered = 0;

  constructor(id: string, relay: PublicKey, lead: PublicKey, nowMs: number) {
    this.id = id;
    this.relay = relay;
    this.lead = lead;
    this.openedAtMs = nowMs;
    this.#heardAtMs = nowMs;
    this.#echoAtMs = nowMs;
  }

  /** Something came from the other end. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#sentAtLastWord = this.#traffic.txPackets;
    this.#unanswered = 0;
    this.#echoPauseMs = MAX_ECHO_PAUSE_MS;
  }

  /** The totals of the bridge now. */
  moved(traffic: BridgeTraffic, nowMs: number): void {
    const received = traffic.rxPackets > this.#traffic.rxPackets;
    this.#traffic = traffic;
    if (received) this.heard(nowMs);
  }

  /** True when an echo is to be sent now; it then counts as sent. */
  takeEcho(nowMs: number): boolean {
    if (nowMs < this.#nextEchoAtMs()) return false;
    this.#echoAtMs = nowMs + this.#echoPauseMs;
    this.#echoPauseMs = Math.min(MAX_ECHO_PAUSE_MS, this.#echoPauseMs * 2);
    this.#unanswered += 1;
    return true;
  }

  isLost(nowMs: number): boolean {
    if (this.verifiedAtMs === null) return nowMs - this.openedAtMs > OPEN_WITHIN_MS;
    return this.#unanswered >= LOST_ECHOES && nowMs >= this.#echoAtMs;
  }

  /** When to look again, for the sake of its totals too: every second while something is sent, seldom at rest. */
  nextAtMs(nowMs: number): number {
    if (this.verifiedAtMs === null)
      return Math.min(this.#nextEchoAtMs(), this.openedAtMs + OPEN_WITHIN_MS + 1);
    const rests = this.#unanswered === 0 && !this.#waits && nowMs - this.#heardAtMs >= RESTS_AFTER_MS;
    const lookAtMs = rests ? nextBeatMs(nowMs, REST_LOOK_MS) : nowMs + LOOK_MS;
    return Math.max(nowMs + 1, Math.min(lookAtMs, this.#nextEchoAtMs()));
  }

  /** Something was sent that nothing came after. */
  get #waits(): boolean {
    return this.#traffic.txPackets > this.#sentAtLastWord;
  }

  #nextEchoAtMs(): number {
    if (this.verifiedAtMs === null || this.#unanswered > 0) return this.#echoAtMs;
    return Math.max(this.#echoAtMs, this.#heardAtMs + (this.#waits ? ANSWER_MS : REST_MS));
  }
}

/**
 * Whether a session that works is to be used in place of the one that is. Of two that were asked for at once the one the lower key asked
 * for, then the lower id: both ends see that alike. Who asks later has given up the old one.
 */
export function replaces(session: RelaySession, used: RelaySession, peer: PublicKey): boolean {
  if (session.lead === peer && session.openedAtMs - used.openedAtMs > AT_ONCE_MS) return true;
  return session.lead === used.lead ? session.id < used.id : session.lead < used.lead;
}
