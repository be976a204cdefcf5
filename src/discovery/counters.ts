/**
 * Counters of discovery, for `status` and tests. A datagram passes the stages of the receive path in this order and
 * is counted at each stage it reaches.
 */
const names = [
  // receive path
  "received",
  "sizeRejected",
  "limited",
  "sealRejected",
  "sealOpened",
  "fieldsRejected",
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

export class Counters {
  readonly #values = new Map<CounterName, number>(names.map((name) => [name, 0]));

  add(name: CounterName, by = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + by);
  }

  snapshot(): Readonly<Record<CounterName, number>> {
    return Object.fromEntries(this.#values) as Record<CounterName, number>;
  }
}
