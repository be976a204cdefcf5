/** What happened, folded into one number as it happens: two runs that differ anywhere end with different hashes. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x9e3779b9;
  #events = 0;

  /** Four numbers describe an event; the order counts. */
  add(what: number, atMs: number, one: number, other: number): void {
    this.#mix(what);
    this.#mix(atMs);
    this.#mix(one);
    this.#mix(other);
    this.#events += 1;
  }

  get events(): number {
    return this.#events;
  }

  /** 16 hex digits. */
  get hash(): string {
    const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 7), 0x85ebca6b) + value;
  }
}

/** Kinds of events of the trace. */
export const TRACED = { sent: 1, arrived: 2, peerAdded: 3, peerRemoved: 4, session: 5, fault: 6 } as const;
