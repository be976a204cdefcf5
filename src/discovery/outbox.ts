import { type Endpoint, endpointText } from "../core/types.ts";
import type { Counters } from "./counters.ts";
import { OutboundBudget } from "./outboundBudget.ts";

/** At most one datagram of each kind waits for a destination. */
type MailKind = "reply" | "hello";

interface Mail {
  readonly to: Endpoint;
  /** Made when it is sent, so that it tells what is true then; null when there is nothing to send any more. */
  readonly build: () => Uint8Array | null;
}

/** More destinations than this wait only under attack. */
const MAX_WAITING = 4096;

/**
 * What is sent to single addresses, at once or, when the destination's budget is spent, as soon as it allows. Several
 * reasons for the same kind of datagram become one.
 */
export class Outbox {
  readonly #budget = new OutboundBudget();
  readonly #send: (data: Uint8Array, to: Endpoint) => void;
  readonly #counters: Counters;
  /** A REPLY goes before a HELLO to the same place: somebody waits for it. */
  readonly #waiting: Readonly<Record<MailKind, Map<string, Mail>>> = { reply: new Map(), hello: new Map() };

  constructor(send: (data: Uint8Array, to: Endpoint) => void, counters: Counters) {
    this.#send = send;
    this.#counters = counters;
  }

  post(kind: MailKind, to: Endpoint, nowMs: number, build: Mail["build"]): void {
    const destination = endpointText(to);
    const waiting = this.#waiting[kind];
    if (waiting.has(destination)) {
      this.#counters.add("coalesced");
    } else if (waiting.size >= MAX_WAITING) {
      this.#counters.add("dropped");
      return;
    }
    waiting.set(destination, { to, build });
    if (this.#budget.freeAtMs(destination, nowMs) <= nowMs) this.#dispatch(waiting, destination, nowMs);
  }

  /** Sends what the budgets now allow. */
  flush(nowMs: number): void {
    for (const waiting of [this.#waiting.reply, this.#waiting.hello]) {
      for (const destination of waiting.keys()) {
        if (this.#budget.freeAtMs(destination, nowMs) <= nowMs) this.#dispatch(waiting, destination, nowMs);
      }
    }
  }

  /** When `flush` has work next; null when nothing waits. */
  nextAtMs(nowMs: number): number | null {
    let next: number | null = null;
    for (const waiting of [this.#waiting.reply, this.#waiting.hello]) {
      for (const destination of waiting.keys()) {
        const atMs = this.#budget.freeAtMs(destination, nowMs);
        if (next === null || atMs < next) next = atMs;
      }
    }
    return next;
  }

  clear(): void {
    this.#waiting.reply.clear();
    this.#waiting.hello.clear();
  }

  #dispatch(waiting: Map<string, Mail>, destination: string, nowMs: number): void {
    const mail = waiting.get(destination);
    waiting.delete(destination);
    const data = mail?.build() ?? null;
    if (mail === undefined || data === null) return;
    this.#budget.spend(destination, nowMs);
    this.#send(data, mail.to);
  }
}
