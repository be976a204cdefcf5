/**
 * The last events of a node, in bounded memory, and those who want to hear the next ones.
 */
import type { Clock } from "../core/clock.ts";
import type { EventFilter, EventSubject, Events, EventType, KeptEvent } from "../core/events.ts";

export interface EventLogOptions {
  readonly clock: Clock;
  /** How many; 1,000 unless told. */
  readonly kept?: number;
  /** Told what a listener threw; the others are called all the same. */
  readonly onListenerError?: (error: unknown) => void;
}

const DEFAULT_KEPT = 1_000;

export class EventLog implements Events {
  readonly #clock: Clock;
  readonly #kept: number;
  readonly #onListenerError: (error: unknown) => void;
  /** The oldest first. */
  readonly #ring: KeptEvent[] = [];
  readonly #listeners = new Set<(event: KeptEvent) => void>();
  #lastId = 0;

  constructor({ clock, kept = DEFAULT_KEPT, onListenerError = () => {} }: EventLogOptions) {
    this.#clock = clock;
    this.#kept = kept;
    this.#onListenerError = onListenerError;
  }

  emit(type: EventType, { peer, hostname, data = {} }: EventSubject = {}): void {
    this.#lastId += 1;
    const event: KeptEvent = Object.freeze({
      id: this.#lastId,
      atMs: this.#clock.wallMs(),
      type,
      ...(peer === undefined ? {} : { peer }),
      ...(hostname === undefined || hostname === "" ? {} : { hostname }),
      data: Object.freeze({ ...data }),
    });
    this.#ring.push(event);
    // In pieces, since each shift moves all that follow.
    if (this.#ring.length >= this.#kept * 2) this.#ring.splice(0, this.#ring.length - this.#kept);
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }

  /** Those kept that pass the filter, the oldest first. */
  list(filter: EventFilter = {}): KeptEvent[] {
    return this.#ring.slice(-this.#kept).filter((event) => passes(event, filter));
  }

  /** Calls back for each further event that passes, at once; the returned function ends that. */
  subscribe(listener: (event: KeptEvent) => void, filter: EventFilter = {}): () => void {
    const filtered = (event: KeptEvent): void => {
      if (passes(event, filter)) listener(event);
    };
    this.#listeners.add(filtered);
    return () => this.#listeners.delete(filtered);
  }
}

function passes(event: KeptEvent, { types, peer, sinceMs, afterId }: EventFilter): boolean {
  return (
    (types === undefined || types.includes(event.type)) &&
    (peer === undefined || event.peer === peer) &&
    (sinceMs === undefined || event.atMs >= sinceMs) &&
    (afterId === undefined || event.id > afterId)
  );
}
