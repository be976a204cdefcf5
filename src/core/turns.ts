import { WgmeshError } from "./errors.ts";

/**
 * Runs one after another what is asked for at the same time. Rejects with what it rejects with, and with ERR_NOT_READY, nothing
 * run, when so many wait already.
 *
 * @param mostWaiting how many may wait besides the one that runs.
 */
export function oneAfterAnother(mostWaiting: number): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let inside = 0;
  return async (run) => {
    if (inside > mostWaiting) throw new WgmeshError("ERR_NOT_READY", "too many ask for this at once");
    inside += 1;
    const outcome = last.then(run).finally(() => {
      inside -= 1;
    });
    last = outcome.catch(() => {});
    return await outcome;
  };
}
