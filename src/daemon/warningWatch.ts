/**
 * Tells when a warning of `status` begins and when it is over (row G5).
 */
import { nextBeat } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import type { Events } from "../core/events.ts";

/** A text that counts, or says how long or how much, is the same warning all the while: a crowd that grows must not fill the events. */
const kindOf = (text: string): string => text.replace(/\b\d+ (times|s|peers|of|KiB)\b/g, "# $1");

export class WarningWatch {
  readonly #events: Events;
  readonly #warnings: () => readonly string[];
  /** By kind, the text as it was told. */
  #standing = new Map<string, string>();

  constructor(events: Events, warnings: () => readonly string[]) {
    this.#events = events;
    this.#warnings = warnings;
  }

  /** The body of the task `warnings`. */
  async run(clock: Clock, signal: AbortSignal): Promise<void> {
    for (;;) {
      this.look();
      await nextBeat(clock, signal);
    }
  }

  look(): void {
    const now = new Map(this.#warnings().map((text) => [kindOf(text), text]));
    for (const [kind, text] of this.#standing) {
      if (!now.has(kind)) this.#events.emit("warning.cleared", { data: { text } });
    }
    for (const [kind, text] of now) {
      const told = this.#standing.get(kind);
      if (told === undefined) this.#events.emit("warning.raised", { data: { text } });
      else now.set(kind, told);
    }
    this.#standing = now;
  }
}
