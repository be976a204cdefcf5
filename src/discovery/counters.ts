/**
 * Counters of discovery, for `status`, metrics and tests. A datagram passes the stages of the receive path in this order and
 * is counted at each stage it reaches.
 */
import type { Counter, Metrics } from "../core/metrics.ts";

const names = [
  // receive path
  "received",
  "sizeRejected",
  "limited",
  "sealRejected",
  "sealOpened",
  "fieldsRejected",
  "tokensRejected",
  "fieldsAccepted",
  "own",
  "replayed",
  "unproven",
  "stored",
  "refused",
  "unsolicitedReplies",
  "goodbyes",
  "goodbyesDoubted",
  "left",
  // send path
  "sent",
  "sendErrors",
  "coalesced",
  "dropped",
] as const;

export type CounterName = (typeof names)[number];

const labels = { event: names };

/** What happens on the sockets of discovery, as `wgmesh_control_events_total{event}`. */
export class Counters {
  readonly #counter: Counter<typeof labels>;
  readonly #queues = new Map<string, () => number>();

  constructor(metrics: Metrics) {
    this.#counter = metrics.counter(
      "wgmesh_control_events_total",
      "what happened to control datagrams",
      labels,
    );
    for (const event of names) this.#counter.add(0, { event });
  }

  add(name: CounterName, by = 1): void {
    this.#counter.add(by, { event: name });
  }

  /** Says how many wait for something, whenever somebody looks. */
  queue(name: string, size: () => number): void {
    this.#queues.set(name, size);
  }

  queues(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#queues].map(([name, size]) => [name, size()]));
  }

  snapshot(): Readonly<Record<CounterName, number>> {
    const entries = names.map((event) => [event, this.#counter.value({ event })]);
    return Object.fromEntries(entries) as Record<CounterName, number>;
  }
}
