/**
 * HELLOs that are wanted but not sent yet: one per address, in order of time, a bounded number a second whatever
 * the reasons (a member could mention a thousand victims, weak point 10). Pure: time comes in as an argument.
 */

import { DueTimes } from "../core/dueTimes.ts";
import { TokenBucket } from "../core/tokenBucket.ts";
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";
import type { HelloReason } from "./helloTable.ts";

/** New addresses a second; a LAN of 60 nodes passes at once, a cached mesh of 1,000 in 20 s. */
const RATE_PER_SECOND = 50;
const BURST = 64;
/** As many as the store holds peers, twice. */
const MAX_WAITING = 2048;

export interface ContactRequest {
  readonly to: Endpoint;
  /** Who is expected there; null when only the address is known. */
  readonly publicKey: PublicKey | null;
  readonly reason: HelloReason;
  /**
   * - `meet`: to know each other; needless when that has just happened from the other side
   * - `ask`: for what the peer has to tell
   * - `tell`: because something about us changed; replaces a HELLO that is open
   */
  readonly purpose: "meet" | "ask" | "tell";
  /** Nobody is mentioned: the address has not answered yet and may be a victim's. */
  readonly small: boolean;
  /** How often this peer was asked before whom we lack; absent when it is not asked that. */
  readonly round?: number | undefined;
  /** Sent less often than others: one of many addresses of which few may be true. */
  readonly brief?: boolean;
}

const WEIGHT = { meet: 0, ask: 1, tell: 2 } as const;

interface Waiting {
  readonly request: ContactRequest;
  readonly atMs: number;
}

export class ContactQueue {
  readonly #waiting = new Map<string, Waiting>();
  readonly #due = new DueTimes<string>();
  readonly #bucket: TokenBucket;

  constructor(nowMs: number) {
    this.#bucket = new TokenBucket(RATE_PER_SECOND, BURST, nowMs);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** True while the rate alone keeps a HELLO to there from going out. */
  isHeldUp(to: Endpoint, nowMs: number): boolean {
    const waiting = this.#waiting.get(endpointText(to));
    return waiting !== undefined && waiting.atMs <= nowMs;
  }

  /** False when too many wait already. Of two requests for one address the weightier stays, at the earlier time. */
  add(request: ContactRequest, atMs: number): boolean {
    const key = endpointText(request.to);
    const known = this.#waiting.get(key);
    if (!known && this.#waiting.size >= MAX_WAITING) return false;
    const keep = known !== undefined && WEIGHT[known.request.purpose] > WEIGHT[request.purpose];
    const kept = keep ? known.request : request;
    const dueMs = Math.min(atMs, known?.atMs ?? atMs);
    this.#waiting.set(key, { request: kept, atMs: dueMs });
    this.#due.set(key, dueMs);
    return true;
  }

  /** The requests whose time has come, as far as the rate allows. `open` tells whether one led to a HELLO. */
  take(nowMs: number, open: (request: ContactRequest) => boolean): void {
    if ((this.#due.nextAtMs() ?? Number.POSITIVE_INFINITY) > nowMs || !this.#bucket.has(nowMs)) return;
    for (const [key, { request, atMs }] of this.#waiting) {
      if (atMs > nowMs) continue;
      if (!this.#bucket.has(nowMs)) return;
      this.#delete(key);
      if (open(request)) this.#bucket.take(nowMs);
    }
  }

  nextAtMs(nowMs: number): number | null {
    const next = this.#due.nextAtMs();
    return next === null ? null : Math.max(next, this.#bucket.nextAtMs(nowMs));
  }

  forget(publicKey: PublicKey): void {
    for (const [key, { request }] of this.#waiting) if (request.publicKey === publicKey) this.#delete(key);
  }

  #delete(key: string): void {
    this.#waiting.delete(key);
    this.#due.delete(key);
  }

  clear(): void {
    this.#waiting.clear();
    this.#due.clear();
  }
}
