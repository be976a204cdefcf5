/**
 * The beat of what is done again and again and may be done a little sooner: all of it at the same instants, so that an idle process
 * wakes once for all of it. Waking costs more than most of what is done then.
 */

/** Milliseconds between two beats. */
export const BEAT_MS = 5_000;

/** The first beat after `nowMs`, monotonic milliseconds; up to `everyMs` away. */
export function nextBeatMs(nowMs: number, everyMs: number = BEAT_MS): number {
  return (Math.floor(nowMs / everyMs) + 1) * everyMs;
}
