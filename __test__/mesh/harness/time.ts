/** Milliseconds of a clock that never jumps. */
export const nowMs = (): number => performance.now();

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An emulated machine (the VM) is many times slower, and its speed says nothing about wgmesh. */
const slack = process.env.WGMESH_TEST_BACKEND === "kernel" ? 100 : 10;

/** How long a test waits for something promised within `promisedMs`: tests assert outcomes, bench/ measures speed. */
export const allowanceMs = (promisedMs: number): number => promisedMs * slack;

/** Asks every 20 ms until `probe` gives something other than false, null or undefined, and returns that. */
export async function until<T>(
  what: string,
  limitMs: number,
  probe: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const start = nowMs();
  for (;;) {
    const value = await probe();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    if (nowMs() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(20);
  }
}

/** Milliseconds `action` took, and what it gave. */
export async function timed<T>(action: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = nowMs();
  const value = await action();
  return { ms: nowMs() - start, value };
}

/** Middle value; the lower of the two middle ones when the count is even. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
