/**
 * Learning a whole mesh from one peer: known peers come a few at a time (weak point 32), so a peer that told of someone
 * new is asked again until it has nothing new to tell. Pure: time comes in as an argument.
 */
import type { PublicKey } from "../core/types.ts";

const ASK_AGAIN_MS = 250;
/** Answers in a row without news that end it; the peer's rotation may just have been at known names. */
const DRY_ANSWERS = 2;
/** Peers asked side by side: all know much the same, so more would only repeat it. */
const MAX_SIDE_BY_SIDE = 3;
/** Three mentions an answer, so this is enough for 1,000 peers. */
const MAX_ROUNDS = 350;

interface Source {
  dry: number;
  rounds: number;
  /** Null while its answer is awaited. */
  askAtMs: number | null;
}

export class Crawl {
  readonly #sources = new Map<PublicKey, Source>();
  #begun = false;

  /** False until a first peer was asked. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The peer spoke to us; `news` when it mentioned someone unknown. `answer`: it was a REPLY. */
  heard(publicKey: PublicKey, news: boolean, answer: boolean, nowMs: number): void {
    const source = this.#sources.get(publicKey);
    if (!source) {
      if (!news) return;
      this.#begun = true;
      this.#sources.set(publicKey, { dry: 0, rounds: 0, askAtMs: nowMs + ASK_AGAIN_MS });
      return;
    }
    if (news) source.dry = 0;
    else if (answer) source.dry += 1;
    if (source.dry >= DRY_ANSWERS || source.rounds >= MAX_ROUNDS) this.#sources.delete(publicKey);
    else source.askAtMs ??= nowMs + ASK_AGAIN_MS;
  }

  /** It does not answer, or has left. */
  forget(publicKey: PublicKey): void {
    this.#sources.delete(publicKey);
  }

  /** Whom to send a HELLO now. */
  take(nowMs: number): PublicKey[] {
    const due: PublicKey[] = [];
    for (const [publicKey, source] of this.#front()) {
      if (source.askAtMs === null || source.askAtMs > nowMs) continue;
      source.askAtMs = null;
      source.rounds += 1;
      due.push(publicKey);
    }
    return due;
  }

  nextAtMs(): number | null {
    let next: number | null = null;
    for (const [, { askAtMs }] of this.#front()) {
      if (askAtMs !== null && (next === null || askAtMs < next)) next = askAtMs;
    }
    return next;
  }

  #front(): [PublicKey, Source][] {
    const front: [PublicKey, Source][] = [];
    for (const entry of this.#sources) if (front.push(entry) === MAX_SIDE_BY_SIDE) break;
    return front;
  }
}
