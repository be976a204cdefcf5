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
    // setTimeout drops fractions: too early by one, nothing would be due, and each turn would take two wakes.
    const timer = setTimeout(callback, Math.ceil(delayMs));
    return () => clearTimeout(timer);
  },
};

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
