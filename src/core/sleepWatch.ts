/**
 * Notices that the machine, or this process alone, slept: then whatever was known of the network may be out of date.
 */
import { BEAT_MS, nextBeat } from "./beat.ts";
import type { Clock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import type { Log } from "./log.ts";

export interface SleepWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds since the machine was started, its sleep included; may step by a little. Never a clock that can be set. */
  bootMs(): number;
  /** Milliseconds of CPU that this process has used. */
  cpuMs(): number;
  woke(): void;
}

/**
 * A timer's pause on the monotonic clock, which stands still in sleep: this soon after waking it is noticed. Every second look falls on
 * a beat, when the process is awake anyhow.
 */
const LOOK_EVERY_MS = BEAT_MS / 2;
/**
 * A busy machine delays a timer; mappings of NATs and sessions last longer than this. A process that was stopped for 10 s is
 * 7.5 s late at least.
 */
const SLEPT_MS = 7_000;
/**
 * Who sleeps uses no CPU; who is merely late, because the machine has too much to do, does. Work that follows waking would make such
 * a machine still slower.
 */
const BUSY_SHARE = 0.05;

export class SleepWatch {
  readonly #options: SleepWatchOptions;

  constructor(options: SleepWatchOptions) {
    this.#options = options;
  }

  /** The body of its task. */
  async run(signal: AbortSignal): Promise<void> {
    const { bootMs, clock, cpuMs, log, woke } = this.#options;
    // Each turn begins with what the last one read: reading the boot clock may open a file.
    let before = { bootMs: bootMs(), cpuMs: cpuMs() };
    while (!signal.aborted) {
      const nowMs = clock.monotonicMs();
      const dueMs = await nextBeat(clock, signal, LOOK_EVERY_MS).catch((error) => {
        if (!signal.aborted) throw new Error(messageOf(error), { cause: error });
        return nowMs;
      });
      const after = { bootMs: bootMs(), cpuMs: cpuMs() };
      const durationMs = Math.round(after.bootMs - before.bootMs - (dueMs - nowMs));
      const usedMs = after.cpuMs - before.cpuMs;
      before = after;
      if (signal.aborted || durationMs < SLEPT_MS || usedMs > durationMs * BUSY_SHARE) continue;
      log.info({ durationMs }, "woke from sleep");
      woke();
    }
  }
}
