/**
 * For which peers a direct path is to be looked for, and when. Pure: time comes in as an argument.
 *
 * Two nodes have to begin at the same time. What tells both is a HELLO and its REPLY, a START, or the other's first probe; looking means
 * to bring about one of these.
 */
import { DueTimes } from "../../core/dueTimes.ts";
import type { PublicKey } from "../../core/types.ts";

/** A peer that was just met connects by itself where no NAT is between. */
const GRACE_MS = 400;
/**
 * So it does on a LAN, where there is nothing to punch: one without a tunnel is at a busy machine, such as one that starts thirty nodes,
 * and has no need of more to do.
 */
const LAN_GRACE_MS = 10_000;
/** A peer that others mention is sent a HELLO first. */
const FIRST_SEEK_MS = 300;
/** Traffic waits; but what was just found out of our own address comes first. */
const RENEWED_SEEK_MS = 50;
/** Looking goes on until something begins (PROTOCOL.md section 12: rendezvous back-off). */
const SEEK_AGAIN_MS = 3_000;
const MAX_SEEK_AGAIN_MS = 30_000;
/** After an attempt that failed. NATs have forgotten it by then: Linux keeps an unanswered flow for 30 s. */
const ATTEMPT_AGAIN_MS = 35_000;
const MAX_ATTEMPT_AGAIN_MS = 300_000;
/** A word of the other side that it begins counts sooner (PROTOCOL.md section 12: punch again). */
const OTHER_BEGINS_AGAIN_MS = 6_000;
/** Looked for at once, and the pause before the next ones: a crowd of strangers must not hold up everything else. */
const MAX_SEEKS = 16;
const SEEKS_PAUSE_MS = 200;
/** As many as the store holds. */
const MAX_NEEDS = 1_000;

interface Need {
  seekAtMs: number;
  beginAtMs: number | null;
  seeks: number;
  failures: number;
  attemptEndedAtMs: number;
  busy: boolean;
  /** What the attempt under way knows is out of date. */
  stale: boolean;
}

export class Seeker {
  readonly #needs = new Map<PublicKey, Need>();
  readonly #begins = new DueTimes<PublicKey>();
  readonly #seeks = new DueTimes<PublicKey>();
  readonly #unit: () => number;
  /** Nobody is looked for before that. */
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** `unit` gives chance from 0 to 1. */
  constructor(unit: () => number) {
    this.#unit = unit;
  }

  has(publicKey: PublicKey): boolean {
    return this.#needs.has(publicKey);
  }

  /** Failed attempts in a row. */
  failures(publicKey: PublicKey): number {
    return this.#needs.get(publicKey)?.failures ?? 0;
  }

  /** Attempts take turns: the lower key first, then the higher one. */
  turn(publicKey: PublicKey, ownKey: PublicKey): "first" | "second" {
    return ownKey < publicKey === (this.failures(publicKey) % 2 === 0) ? "first" : "second";
  }

  /** Looks for a peer without anything having begun so far: so many times. */
  seeks(publicKey: PublicKey): number {
    return this.#needs.get(publicKey)?.seeks ?? 0;
  }

  /** A path is wanted from now on. */
  need(publicKey: PublicKey, nowMs: number): void {
    if (this.#needs.has(publicKey) || this.#needs.size >= MAX_NEEDS) return;
    this.#put(publicKey, {
      seekAtMs: nowMs + FIRST_SEEK_MS,
      beginAtMs: null,
      seeks: 0,
      failures: 0,
      attemptEndedAtMs: Number.NEGATIVE_INFINITY,
      busy: false,
      stale: false,
    });
  }

  /** One side is elsewhere now: what failed before says nothing about it, so nothing is waited for. */
  renew(publicKey: PublicKey, nowMs: number): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined) return;
    if (need.busy) need.stale = true;
    else restart(need, nowMs);
    this.#put(publicKey, need);
  }

  /** It has one, or the peer has gone. */
  calm(publicKey: PublicKey): void {
    this.#needs.delete(publicKey);
    this.#begins.delete(publicKey);
    this.#seeks.delete(publicKey);
  }

  /** Both sides have spoken with each other just now: they begin alike. */
  met(publicKey: PublicKey, onLan: boolean, nowMs: number): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined || need.busy || need.beginAtMs !== null) return;
    if (nowMs < need.attemptEndedAtMs + pauseMs(need.failures)) return;
    need.beginAtMs = nowMs + (onLan ? LAN_GRACE_MS : GRACE_MS);
    this.#put(publicKey, need);
  }

  /** True when an attempt may begin because the other side begins one. */
  mayJoin(publicKey: PublicKey, nowMs: number): boolean {
    const need = this.#needs.get(publicKey);
    return need !== undefined && !need.busy && nowMs - need.attemptEndedAtMs >= OTHER_BEGINS_AGAIN_MS;
  }

  /** An attempt runs. */
  began(publicKey: PublicKey): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined) return;
    need.busy = true;
    need.stale = false;
    need.beginAtMs = null;
    need.seeks = 0;
    this.#put(publicKey, need);
  }

  ended(publicKey: PublicKey, failed: boolean, nowMs: number): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined) return;
    need.busy = false;
    if (failed && need.stale) {
      restart(need, nowMs);
      this.#put(publicKey, need);
      return;
    }
    need.attemptEndedAtMs = nowMs;
    need.failures = failed ? need.failures + 1 : 0;
    // Both sides look again at much the same time, and either is enough.
    need.seekAtMs = nowMs + pauseMs(failed ? need.failures : 1) * (1 + 0.1 * this.#unit());
    this.#put(publicKey, need);
  }

  /** Looks at once: an introducer says that the other side does. */
  hasten(publicKey: PublicKey, nowMs: number): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined || need.busy) return;
    need.seekAtMs = nowMs;
    this.#put(publicKey, need);
  }

  /** For whom to begin now, and for whom to look. */
  take(nowMs: number): { readonly begin: PublicKey[]; readonly seek: PublicKey[] } {
    const begin: PublicKey[] = [];
    const seek: PublicKey[] = [];
    if ((this.nextAtMs() ?? Number.POSITIVE_INFINITY) > nowMs) return { begin, seek };
    for (const [publicKey, need] of this.#needs) {
      if (need.busy) continue;
      if (need.beginAtMs !== null) {
        if (need.beginAtMs > nowMs) continue;
        need.beginAtMs = null;
        this.#put(publicKey, need);
        begin.push(publicKey);
      } else if (need.seekAtMs <= nowMs && this.#restUntilMs <= nowMs) {
        const againMs = Math.min(SEEK_AGAIN_MS * 2 ** need.seeks, MAX_SEEK_AGAIN_MS);
        need.seekAtMs = nowMs + againMs * (0.9 + 0.2 * this.#unit());
        need.seeks += 1;
        this.#put(publicKey, need);
        seek.push(publicKey);
        if (seek.length === MAX_SEEKS) this.#restUntilMs = nowMs + SEEKS_PAUSE_MS;
      }
    }
    return { begin, seek };
  }

  /** Begins a little later: too many are under way. */
  postpone(publicKey: PublicKey, untilMs: number): void {
    const need = this.#needs.get(publicKey);
    if (need === undefined) return;
    need.beginAtMs = untilMs;
    this.#put(publicKey, need);
  }

  nextAtMs(): number | null {
    const beginMs = this.#begins.nextAtMs() ?? Number.POSITIVE_INFINITY;
    const seekMs = this.#seeks.nextAtMs() ?? Number.POSITIVE_INFINITY;
    const next = Math.min(beginMs, Math.max(seekMs, this.#restUntilMs));
    return Number.isFinite(next) ? next : null;
  }

  get size(): number {
    return this.#needs.size;
  }

  /** To be called after each change of a need. */
  #put(publicKey: PublicKey, need: Need): void {
    const { busy, beginAtMs, seekAtMs } = need;
    this.#needs.set(publicKey, need);
    this.#begins.set(publicKey, busy ? Number.POSITIVE_INFINITY : (beginAtMs ?? Number.POSITIVE_INFINITY));
    this.#seeks.set(publicKey, busy || beginAtMs !== null ? Number.POSITIVE_INFINITY : seekAtMs);
  }
}

function restart(need: Need, nowMs: number): void {
  need.stale = false;
  need.failures = 0;
  need.seeks = 0;
  need.attemptEndedAtMs = Number.NEGATIVE_INFINITY;
  need.seekAtMs = nowMs + RENEWED_SEEK_MS;
}

/** From the end of one attempt to the next that this side begins. */
function pauseMs(failures: number): number {
  if (failures === 0) return OTHER_BEGINS_AGAIN_MS;
  return Math.min(ATTEMPT_AGAIN_MS * 2 ** (failures - 1), MAX_ATTEMPT_AGAIN_MS);
}
