/**
 * Members whose clocks are too far from ours to be heard. Their messages are sealed with the mesh's key, so they are of members;
 * an old one may also be a replay, one from the future cannot be. Pure: time comes in as an argument.
 */
import { MAX_CLOCK_DIFFERENCE_SECONDS } from "../wire/envelope.ts";

/** A clock that was set right is forgotten after this. */
const KEPT_MS = 5 * 60_000;
const MAX_SOURCES = 64;

interface Difference {
  readonly aheadSeconds: number;
  readonly atMs: number;
}

export class ClockDifferences {
  readonly #sources = new Map<string, Difference>();

  /**
   * A sealed message of `host` was refused: its clock says `aheadSeconds` more than ours (negative: less). True when
   * that is news of this host.
   */
  note(host: string, aheadSeconds: number, nowMs: number): boolean {
    const known = this.#sources.get(host);
    this.#sources.delete(host);
    this.#sources.set(host, { aheadSeconds, atMs: nowMs });
    for (const [oldest] of this.#sources) {
      if (this.#sources.size <= MAX_SOURCES) break;
      this.#sources.delete(oldest);
    }
    return known === undefined || nowMs - known.atMs > KEPT_MS;
  }

  /** What to tell a person; null while all clocks agree well enough. */
  problem(nowMs: number): string | null {
    const recent = [...this.#sources].filter(([, { atMs }]) => nowMs - atMs <= KEPT_MS);
    const [host, difference] = recent.at(-1) ?? [];
    if (host === undefined || difference === undefined) return null;
    const others = recent.length === 1 ? "" : ` and of ${recent.length - 1} more`;
    return `the clock of ${host}${others} is ${differenceText(difference.aheadSeconds)} ours: members more than ${MAX_CLOCK_DIFFERENCE_SECONDS / 60} minutes apart cannot hear each other`;
  }
}

/** `11 minutes ahead of`. */
function differenceText(aheadSeconds: number): string {
  const minutes = Math.round(Math.abs(aheadSeconds) / 60);
  return `${minutes} minutes ${aheadSeconds > 0 ? "ahead of" : "behind"}`;
}
