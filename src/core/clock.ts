/**
 * The time seam. Nothing outside this file and its test double calls Date.now(), setTimeout or process.hrtime.
 */
export interface Clock {
  /** Unix time in milliseconds; may jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never jumps. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`. The returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    if (delayMs >= SHARED_FROM_MS && delayMs <= SHARED_UP_TO_MS)
      return afterShared(performance.now() + delayMs, callback);
    // setTimeout drops fractions: too early by one, nothing would be due, and each turn would take two wakes.
    const timer = setTimeout(callback, Math.ceil(delayMs));
    return () => clearTimeout(timer);
  },
};

/**
 * What waits this long or longer may be called up to {@link GRAIN_MS} late, together with what else is due then: waking the process costs
 * more than most of what it does then, and what is meant for the same beat is a fraction of a millisecond apart.
 */
const SHARED_FROM_MS = 250;
const GRAIN_MS = 5;
/** What comes once an hour saves nothing, and setTimeout takes no more than 2^31 - 1. */
const SHARED_UP_TO_MS = 3_600_000;
/** A beat (beat.ts) is the last but one millisecond of its grain: who computes his delay a little later is in it too. */
const LEAD_MS = 1;

/** Who waits for the same timer. */
interface Group {
  readonly callbacks: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

/** By when it is due, of the monotonic clock. */
const groups = new Map<number, Group>();

function afterShared(dueMs: number, callback: () => void): () => void {
  const atMs = Math.ceil((dueMs - LEAD_MS) / GRAIN_MS) * GRAIN_MS + LEAD_MS;
  const group = groups.get(atMs) ?? newGroup(atMs);
  // The same function may be called back twice.
  const own = (): void => callback();
  group.callbacks.add(own);
  return () => {
    if (!group.callbacks.delete(own) || group.callbacks.size > 0) return;
    clearTimeout(group.timer);
    if (groups.get(atMs) === group) groups.delete(atMs);
  };
}

function newGroup(atMs: number): Group {
  const callbacks = new Set<() => void>();
  const timer = setTimeout(
    () => {
      groups.delete(atMs);
      for (const own of callbacks) {
        callbacks.delete(own);
        try {
          own();
        } catch (error) {
          // As if each had a timer of its own.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
    Math.ceil(atMs - performance.now()),
  );
  const group = { callbacks, timer };
  groups.set(atMs, group);
  return group;
}

/** Microseconds of the kernel's CLOCK_MONOTONIC, which other processes know too; only for what is told to them. */
export const kernelMonotonicMicros = (): bigint => process.hrtime.bigint() / 1000n;

/** Resolves after `delayMs`; rejects with the signal's reason when that fires first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The promise's value; rejects with `lateMessage` when the time is over, with the signal's reason when that fires. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  promise: Promise<T>,
  signal: AbortSignal,
  lateMessage: string,
): Promise<T> {
  const end = new AbortController();
  const late = sleep(clock, limitMs, AbortSignal.any([signal, end.signal])).then(() => {
    throw new Error(lateMessage);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    end.abort();
    // The loser's end is of no interest any more.
    late.catch(() => {});
    promise.catch(() => {});
  }
}
