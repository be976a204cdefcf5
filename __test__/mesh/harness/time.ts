/** Milliseconds of a clock that never jumps. */
export const nowMs = (): number => performance.now();

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An emulated machine (the VM) is many times slower, and its speed says nothing about wgmesh. */
export const isEmulated = process.env.WGMESH_TEST_BACKEND === "kernel";

const slack = isEmulated ? 100 : 10;

/** How long a test waits for something promised within `promisedMs`: tests assert outcomes, bench/ measures speed. */
export const allowanceMs = (promisedMs: number): number => promisedMs * slack;

/** To ask costs an emulated machine more than it has to spare for those that are asked. */
const POLL_MS = isEmulated ? 100 : 20;

/** Asks again and again until `probe` gives something other than false, null or undefined, and returns that. */
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
    await delay(POLL_MS);
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
