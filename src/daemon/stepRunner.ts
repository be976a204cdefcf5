/**
 * Startup as a list of steps that can be taken back (row C1).
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** Takes a step back. `hurry` is aborted when waiting for others is to end; what must be removed is removed all the same. */
export type Undo<Result> = (result: Result, hurry: AbortSignal) => Promise<void> | void;

interface Done {
  readonly name: string;
  undo(hurry: AbortSignal): Promise<void> | void;
}

export interface UnwindFailure {
  readonly step: string;
  readonly reason: string;
}

/**
 * Runs steps one after another, logs each with its duration, and takes them back in reverse order: after a step that
 * failed as well as at the end of a long life. A step that fails cleans up after itself; its undo does not run.
 */
export class StepRunner {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #onStep: (name: string) => void;
  readonly #done: Done[] = [];

  /**
   * @param signal stops the startup between two steps, and is handed to each.
   * @param onStep told of each step that is done.
   */
  constructor(clock: Clock, log: Log, signal: AbortSignal, onStep: (name: string) => void = () => {}) {
    this.#clock = clock;
    this.#log = log;
    this.#signal = signal;
    this.#onStep = onStep;
  }

  /**
   * Runs one step and keeps its undo. Rejects with what the step threw, or with the signal's reason when that fired before
   * or during the step; the caller then unwinds.
   */
  async step<Result>(
    name: string,
    run: (signal: AbortSignal) => Promise<Result> | Result,
    undo?: Undo<Result>,
  ): Promise<Result> {
    this.#signal.throwIfAborted();
    const startMs = this.#clock.monotonicMs();
    const result = await run(this.#signal);
    if (undo !== undefined) this.#done.push({ name, undo: (hurry) => undo(result, hurry) });
    this.#log.info({ step: name, durationMs: this.#elapsedMs(startMs) }, "startup step done");
    this.#onStep(name);
    this.#signal.throwIfAborted();
    return result;
  }

  /**
   * Takes every step back, the newest first. An undo that fails is logged and reported, and the older ones follow all the
   * same. A second call has nothing left to do.
   */
  async unwind(hurry: AbortSignal): Promise<UnwindFailure[]> {
    const failures: UnwindFailure[] = [];
    for (let done = this.#done.pop(); done !== undefined; done = this.#done.pop()) {
      const startMs = this.#clock.monotonicMs();
      try {
        await done.undo(hurry);
        this.#log.info({ step: done.name, durationMs: this.#elapsedMs(startMs) }, "step undone");
      } catch (error) {
        const reason = messageOf(error);
        failures.push({ step: done.name, reason });
        this.#log.error({ step: done.name, reason }, "step could not be undone");
      }
    }
    return failures;
  }

  #elapsedMs(startMs: number): number {
    return Math.round((this.#clock.monotonicMs() - startMs) * 10) / 10;
  }
}
