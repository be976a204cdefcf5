/**
 * The supervision tree (row F4): every long task has a name and a policy, is cancellable, and is awaited at the end.
 */
import { setMaxListeners } from "node:events";
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { type Events, silentEvents } from "../core/events.ts";
import type { Log } from "../core/log.ts";
import type { TaskBody, TaskPolicy, TaskScope, TaskStatus } from "../core/tasks.ts";

const RESTART_FIRST_MS = 200;
const RESTART_MAX_MS = 30_000;
/** A task that ran longer than the longest pause counts as stable: its next failure starts from the shortest one. */
const STABLE_AFTER_MS = 60_000;
/** How many ended tasks are kept for `status`. */
const ENDED_KEPT = 32;

interface Task {
  readonly name: string;
  readonly policy: TaskPolicy;
  state: TaskStatus["state"];
  restarts: number;
  lastError: string | null;
  stateSinceMs: number;
  /** Never rejects. */
  settled: Promise<void>;
}

export class Supervisor implements TaskScope {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: Events;
  readonly #abort = new AbortController();
  /** In the order of start; ended ones stay a while. */
  readonly #tasks = new Map<string, Task>();
  #reportFailure: (error: WgmeshError) => void = () => {};

  /** Resolves with the cause when a critical task fails; stays pending otherwise. Later failures are only logged. */
  readonly criticalFailure: Promise<WgmeshError>;

  constructor(clock: Clock, log: Log, events: Events = silentEvents) {
    // Each task waits for it, some in two places: that many listeners are no leak.
    setMaxListeners(0, this.#abort.signal);
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    this.criticalFailure = new Promise((resolve) => {
      this.#reportFailure = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Does nothing once the shutdown has begun. Throws when a task of that name still runs. */
  start(name: string, policy: TaskPolicy, body: TaskBody): void {
    if (this.signal.aborted) return;
    const before = this.#tasks.get(name);
    if (before !== undefined && isLive(before))
      throw new WgmeshError("ERR_INTERNAL", `task ${name} runs already`);
    const task: Task = {
      name,
      policy,
      state: "running",
      restarts: 0,
      lastError: null,
      stateSinceMs: this.#clock.monotonicMs(),
      settled: Promise.resolve(),
    };
    this.#tasks.delete(name);
    this.#tasks.set(name, task);
    this.#forgetOldest();
    task.settled = this.#supervise(task, body);
  }

  /**
   * Cancels every task and waits until all have ended, `deadlineMs` have passed, or `hurry` is aborted.
   * Resolves to the names of those that had not ended by then. Safe to call again.
   */
  async shutdown(deadlineMs: number, hurry?: AbortSignal): Promise<string[]> {
    this.#abort.abort();
    const live = (): Task[] => [...this.#tasks.values()].filter(isLive);
    const enough = new AbortController();
    const deadline = sleep(
      this.#clock,
      deadlineMs,
      hurry ? AbortSignal.any([enough.signal, hurry]) : enough.signal,
    );
    await Promise.race([Promise.all(live().map((task) => task.settled)), deadline.catch(() => {})]);
    enough.abort();
    const late = live().map((task) => task.name);
    if (late.length > 0) this.#log.warn({ tasks: late }, "tasks did not end in time");
    return late;
  }

  statuses(): TaskStatus[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#tasks.values()].map(({ name, policy, state, restarts, lastError, stateSinceMs }) => ({
      name,
      policy,
      state,
      restarts,
      lastError,
      sinceMs: Math.round(nowMs - stateSinceMs),
    }));
  }

  /** Never rejects: whatever the body throws ends here. */
  async #supervise(task: Task, body: TaskBody): Promise<void> {
    let pauseMs = RESTART_FIRST_MS;
    for (;;) {
      const startMs = this.#clock.monotonicMs();
      const error = await this.#runBody(body);
      if (error === null) return this.#enter(task, "done");
      if (this.signal.aborted) return this.#endedByAbort(task, error.thrown);
      task.lastError = messageOf(error.thrown);
      if (task.policy !== "restart") return this.#endedByFailure(task, error.thrown);

      if (this.#clock.monotonicMs() - startMs >= STABLE_AFTER_MS) pauseMs = RESTART_FIRST_MS;
      this.#enter(task, "backoff");
      this.#log.warn(
        { task: task.name, reason: task.lastError, retryInMs: pauseMs },
        "task failed, starting it again",
      );
      this.#emitFailure(task.name, task.lastError, pauseMs);
      await sleep(this.#clock, pauseMs, this.signal).catch(() => {});
      if (this.signal.aborted) return this.#enter(task, "done");
      pauseMs = Math.min(pauseMs * 2, RESTART_MAX_MS);
      task.restarts += 1;
      this.#enter(task, "running");
    }
  }

  /** What the body threw, wrapped because anything can be thrown; null when it returned. */
  async #runBody(body: TaskBody): Promise<{ readonly thrown: unknown } | null> {
    try {
      await body(this.signal);
      return null;
    } catch (thrown) {
      return { thrown };
    }
  }

  #endedByAbort(task: Task, error: unknown): void {
    const isCancellation =
      error === this.signal.reason || (error instanceof Error && error.name === "AbortError");
    if (!isCancellation) {
      task.lastError = messageOf(error);
      this.#log.warn({ task: task.name, reason: task.lastError }, "task failed while it was cancelled");
    }
    this.#enter(task, "done");
  }

  #endedByFailure(task: Task, error: unknown): void {
    this.#enter(task, "failed");
    this.#log.error({ task: task.name, reason: messageOf(error) }, "task failed");
    this.#emitFailure(task.name, messageOf(error), null);
    if (task.policy !== "critical") return;
    const cause =
      error instanceof WgmeshError
        ? error
        : new WgmeshError("ERR_TASK_FAILED", `task ${task.name} failed: ${messageOf(error)}`, {
            cause: error,
          });
    this.#reportFailure(cause);
  }

  #emitFailure(task: string, reason: string, retryInMs: number | null): void {
    this.#events.emit("task.failed", { data: { task, reason, retry_in_ms: retryInMs } });
  }

  #enter(task: Task, state: Task["state"]): void {
    task.state = state;
    task.stateSinceMs = this.#clock.monotonicMs();
  }

  #forgetOldest(): void {
    const ended = [...this.#tasks.values()].filter((task) => !isLive(task));
    for (const task of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT))) this.#tasks.delete(task.name);
  }
}

const isLive = (task: Task): boolean => task.state === "running" || task.state === "backoff";
