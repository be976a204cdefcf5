/**
 * What the daemon tells systemd (row F7, sd_notify(3)): that it lives, how it is, and when a reload began. It must come from the main
 * process, so the addon sends it.
 */

import { nextBeat } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** How often the line that `systemctl status` shows is looked at. */
const STATUS_MS = 10_000;
/** The reconciler runs at least once a minute whatever happens; one that has not come back for this long hangs. */
const STUCK_MS = 180_000;

/** The service manager this process was started by. */
export interface Managed {
  /** It ends the process when nothing is heard for so long, milliseconds; null when it does not wait for signs of life. */
  readonly watchdogMs: number | null;
}

/** Null without a service manager that listens. $WATCHDOG_PID names whom the watchdog is for: it is inherited by children. */
export function managedBy(env: Readonly<Record<string, string | undefined>>, pid: number): Managed | null {
  if (!env.NOTIFY_SOCKET) return null;
  const { WATCHDOG_PID: whom, WATCHDOG_USEC: micros = "" } = env;
  const isOurs = whom === undefined || whom === String(pid);
  const watchdogMs = isOurs && /^[1-9]\d*$/.test(micros) ? Number(micros) / 1000 : null;
  return { watchdogMs };
}

/** The state as the manager wants it: a reload is told with its instant on CLOCK_MONOTONIC, so that an older READY is not taken for its end. */
export function stamped(state: string, monotonicMicros: () => bigint): string {
  return state === "RELOADING=1" ? `${state}\nMONOTONIC_USEC=${monotonicMicros()}` : state;
}

/** {@link System.notify} that never throws: a manager that cannot be told now is told later, or learns it from the process's end. */
export function calmNotify(notify: (state: string) => void, log: Log): (state: string) => void {
  return (state) => {
    try {
      notify(state);
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "the service manager cannot be told");
    }
  };
}

export interface SignsOfLifeOptions {
  readonly managed: Managed;
  readonly notify: (state: string) => void;
  /** One line for `systemctl status`. */
  readonly status: () => string;
  /** Another value each time the work of the node has gone on. */
  readonly progress: () => unknown;
  readonly log: Log;
}

/**
 * Signs of life at half the watchdog's time or sooner. A process whose event loop stands sends none; one whose reconciler hangs sends
 * none either, and is started again.
 */
export class SignsOfLife {
  readonly #options: SignsOfLifeOptions;
  #status = "";
  #progress: unknown;
  #progressAtMs: number | null = null;
  #isStuck = false;

  constructor(options: SignsOfLifeOptions) {
    this.#options = options;
  }

  /** The body of the task `service`. */
  async run(clock: Clock, signal: AbortSignal): Promise<void> {
    const { watchdogMs } = this.#options.managed;
    const everyMs = Math.min(STATUS_MS, (watchdogMs ?? Number.POSITIVE_INFINITY) / 2);
    for (;;) {
      this.tell(clock.monotonicMs());
      await nextBeat(clock, signal, everyMs);
    }
  }

  tell(nowMs: number): void {
    const { managed, notify, status } = this.#options;
    const lines = managed.watchdogMs !== null && this.#isAlive(nowMs) ? ["WATCHDOG=1"] : [];
    const text = status();
    if (text !== this.#status) lines.push(`STATUS=${text}`);
    this.#status = text;
    if (lines.length > 0) notify(lines.join("\n"));
  }

  #isAlive(nowMs: number): boolean {
    const progress = this.#options.progress();
    if (this.#progressAtMs === null || progress !== this.#progress) {
      this.#progress = progress;
      this.#progressAtMs = nowMs;
    }
    const idleMs = nowMs - this.#progressAtMs;
    const isStuck = idleMs >= STUCK_MS;
    if (isStuck && !this.#isStuck) {
      this.#options.log.error({ durationMs: idleMs }, "the reconciler hangs: no more signs of life");
    }
    this.#isStuck = isStuck;
    return !isStuck;
  }
}
