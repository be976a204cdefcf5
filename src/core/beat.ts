/**
 * The beat of what is done again and again and may be done a little sooner: all of it at the same instants, so that an idle process
 * wakes once for all of it. Waking costs more than most of what is done then.
 */

import type { Clock } from "./clock.ts";

/** Milliseconds between two beats. */
export const BEAT_MS = 5_000;

/** The first beat after `nowMs`, monotonic milliseconds; up to `everyMs` away. */
export function nextBeatMs(nowMs: number, everyMs: number = BEAT_MS): number {
  return (Math.floor(nowMs / everyMs) + 1) * everyMs;
}

/** Who waits for the same beat: one timer wakes all of them. */
interface Waiting {
  readonly called: Set<() => void>;
  readonly cancel: () => void;
}

/** By when the beat is due. */
const clocks = new WeakMap<Clock, Map<number, Waiting>>();
/** Who waits for anything under a signal. It has one listener for all: adding one for each wait costs more than what is done then. */
const ends = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Resolves with the next beat, to when it was due; rejects with the signal's reason when that fires first. For signals of tasks: what hangs
 * on one stays until the signal is collected.
 */
export function nextBeat(clock: Clock, signal: AbortSignal, everyMs: number = BEAT_MS): Promise<number> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const dueMs = nextBeatMs(clock.monotonicMs(), everyMs);
    const ended = endsOf(signal);
    const { called, cancel } = waitingFor(clock, dueMs);
    const end = (): void => {
      called.delete(beat);
      if (called.size === 0) cancel();
      reject(signal.reason);
    };
    const beat = (): void => {
      ended.delete(end);
      resolve(dueMs);
    };
    ended.add(end);
    called.add(beat);
  });
}

function endsOf(signal: AbortSignal): Set<() => void> {
  const known = ends.get(signal);
  if (known !== undefined) return known;
  const ended = new Set<() => void>();
  ends.set(signal, ended);
  signal.addEventListener(
    "abort",
    () => {
      for (const end of ended) end();
    },
    { once: true },
  );
  return ended;
}

function waitingFor(clock: Clock, dueMs: number): Waiting {
  const beats = clocks.get(clock) ?? new Map<number, Waiting>();
  clocks.set(clock, beats);
  const known = beats.get(dueMs);
  if (known !== undefined) return known;
  const called = new Set<() => void>();
  const cancelTimer = clock.after(dueMs - clock.monotonicMs(), () => {
    beats.delete(dueMs);
    for (const beat of called) beat();
  });
  const cancel = (): void => {
    cancelTimer();
    beats.delete(dueMs);
  };
  beats.set(dueMs, { called, cancel });
  return { called, cancel };
}
