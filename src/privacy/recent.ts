import type { PublicKey } from "../core/types.ts";
import { aged, type PassedAnnouncement } from "../wire/dandelion.ts";

const MAX_ORIGINS = 256;

/** The last announcement of each origin that is for everybody, the newest last. Pure; times are monotonic milliseconds. */
export class Recent {
  readonly #last = new Map<PublicKey, { readonly message: PassedAnnouncement; readonly atMs: number }>();

  add(message: PassedAnnouncement, nowMs: number): void {
    this.#last.delete(message.origin);
    this.#last.set(message.origin, { message, atMs: nowMs });
    if (this.#last.size <= MAX_ORIGINS) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }

  /** At most so many, the newest first, as old as they are now; those that became too old are left out. */
  newest(count: number, nowMs: number): PassedAnnouncement[] {
    const entries = [...this.#last.values()].reverse().slice(0, count);
    return entries.flatMap(({ message, atMs }) => aged(message, nowMs - atMs) ?? []);
  }
}
