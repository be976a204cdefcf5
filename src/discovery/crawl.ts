/**
 * Learning a whole mesh from one peer: known peers come a few at a time (weak point 32), so a peer that told of someone new is asked
 * again until it has nothing new to tell. In a large mesh some other peer is asked after that a few times, ever more rarely: where many
 * start at once, who was asked early knew little. Pure: time comes in as an argument.
 */
import type { PublicKey } from "../core/types.ts";
import { slicesFor } from "../wire/keyFilter.ts";

const ASK_AGAIN_MS = 250;
/** Peers asked side by side: all know much the same, so more would only repeat it. */
const MAX_SIDE_BY_SIDE = 3;
/** Bounds what somebody costs who has news for ever; two or three mentions an answer. */
const MAX_ROUNDS = 1_000;
/** Among many strangers some that are told of find no place until these have shaken hands, which they do soon or never. */
const NO_PLACE_MS = 2_000;
const MOST_WITHOUT_PLACE = 15;
/** In a smaller mesh gossip tells all of a newcomer within a few messages. */
const LARGE = 30;
/** When somebody is asked again, counted from the last news, then from one to the next. */
const LOOK_AGAIN_MS = [2_000, 8_000, 30_000, 120_000] as const;
/** Nodes that started together do not ask together: up to this share earlier. */
const JITTER = 0.5;

/** What came of a message. */
export interface Heard {
  /** It mentioned somebody unknown. */
  readonly news: boolean;
  /** It mentioned somebody for whom there is no place now. */
  readonly noPlace: boolean;
  /** It was a REPLY. */
  readonly answer: boolean;
}

interface Source {
  dry: number;
  withoutPlace: number;
  rounds: number;
  /** Null while its answer is awaited. */
  askAtMs: number | null;
}

export interface Asked {
  readonly publicKey: PublicKey;
  /** How often it was asked before; undefined in a small mesh, where what it says of those we know is as welcome. */
  readonly round: number | undefined;
}

export class Crawl {
  readonly #sources = new Map<PublicKey, Source>();
  readonly #unit: () => number;
  #begun = false;
  #isLarge = false;
  #looks = 0;
  #lookAtMs: number | null = null;

  /** `unit` gives chance from 0 to 1. */
  constructor(unit: () => number) {
    this.#unit = unit;
  }

  /** False until a first peer was asked. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The peer spoke to us; `known` is how many peers we know now. */
  heard(publicKey: PublicKey, { news, noPlace, answer }: Heard, known: number, nowMs: number): void {
    this.#isLarge = known >= LARGE;
    const worthIt = news || !this.#begun;
    if (worthIt && this.#isLarge) this.#lookSoon(nowMs);
    const source = this.#sources.get(publicKey);
    if (!source) {
      if (worthIt) this.#begin(publicKey, nowMs + ASK_AGAIN_MS);
      return;
    }
    const waits = noPlace && !news && source.withoutPlace < MOST_WITHOUT_PLACE;
    if (news) source.dry = 0;
    else if (waits) source.withoutPlace += 1;
    else if (answer) source.dry += 1;
    if (source.dry >= this.#enough(known) || source.rounds >= MAX_ROUNDS) this.#sources.delete(publicKey);
    else source.askAtMs ??= nowMs + (waits ? NO_PLACE_MS : ASK_AGAIN_MS);
  }

  /** It does not answer, or has left. */
  forget(publicKey: PublicKey): void {
    this.#sources.delete(publicKey);
  }

  /** Whom to send a HELLO now; `anybody` names one of those that know most, null when there is none. */
  take(nowMs: number, anybody: () => PublicKey | null): Asked[] {
    if (this.#lookAtMs !== null && this.#lookAtMs <= nowMs) {
      this.#looks += 1;
      this.#planLook(nowMs);
      const publicKey = anybody();
      if (publicKey !== null && !this.#sources.has(publicKey)) this.#begin(publicKey, nowMs);
    }
    const due: Asked[] = [];
    for (const [publicKey, source] of this.#front()) {
      if (source.askAtMs === null || source.askAtMs > nowMs) continue;
      source.askAtMs = null;
      due.push({ publicKey, round: this.#isLarge ? source.rounds : undefined });
      source.rounds += 1;
    }
    return due;
  }

  nextAtMs(): number | null {
    let next = this.#lookAtMs;
    for (const [, { askAtMs }] of this.#front()) {
      if (askAtMs !== null && (next === null || askAtMs < next)) next = askAtMs;
    }
    return next;
  }

  /** It has told all it knows when so many answers in a row have no news: all slices, and by another salt one of them. */
  #enough(known: number): number {
    return slicesFor(known) + 1;
  }

  #begin(publicKey: PublicKey, askAtMs: number): void {
    this.#begun = true;
    this.#sources.set(publicKey, { dry: 0, withoutPlace: 0, rounds: 0, askAtMs });
  }

  #lookSoon(nowMs: number): void {
    this.#looks = 0;
    this.#planLook(nowMs);
  }

  #planLook(nowMs: number): void {
    const pauseMs = LOOK_AGAIN_MS[this.#looks];
    this.#lookAtMs = pauseMs === undefined ? null : nowMs + pauseMs * (1 - JITTER * this.#unit());
  }

  #front(): [PublicKey, Source][] {
    const front: [PublicKey, Source][] = [];
    for (const entry of this.#sources) if (front.push(entry) === MAX_SIDE_BY_SIDE) break;
    return front;
  }
}
