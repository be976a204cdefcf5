/**
 * Profiles of this process by V8's own sampler: names of functions and places in files, and no values. Heap snapshots would hold
 * every string, and are not offered.
 */
import type { HeapProfiler, Profiler } from "node:inspector";
import { type Clock, sleep } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import type { ProfileKind } from "../rpc/views/debug.ts";

/** One sample each millisecond, V8's usual. */
const CPU_INTERVAL_MICROSECONDS = 1_000;
/** One of so many bytes that are allocated. */
const HEAP_INTERVAL_BYTES = 32_768;

/** A session of the inspector, which nobody outside can attach to. */
export async function takeProfile(
  kind: ProfileKind,
  seconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const { Session } = await import("node:inspector");
  const session = new Session();
  session.connect();
  const post = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error: Error | null, result?: object) => {
        if (error === null) resolve(result as T);
        else reject(new WgmeshError("ERR_INTERNAL", `${method}: ${error.message}`, { cause: error }));
      });
    });
  try {
    if (kind === "cpu") {
      await post("Profiler.enable");
      await post("Profiler.setSamplingInterval", { interval: CPU_INTERVAL_MICROSECONDS });
      await post("Profiler.start");
      await sleep(clock, seconds * 1_000, signal);
      const { profile } = await post<Profiler.StopReturnType>("Profiler.stop");
      return JSON.stringify(profile);
    }
    await post("HeapProfiler.startSampling", { samplingInterval: HEAP_INTERVAL_BYTES });
    await sleep(clock, seconds * 1_000, signal);
    const { profile } = await post<HeapProfiler.StopSamplingReturnType>("HeapProfiler.stopSampling");
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}
