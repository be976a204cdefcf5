/**
 * Applies the reload file to a running node (row C5): all of it or nothing, then one reconcile, then the others are told.
 */
import { parseReloadFile } from "../config/reload.ts";
import { type Events, silentEvents } from "../core/events.ts";
import { readSteeringFile } from "../core/files.ts";
import type { Log, LogLevels } from "../core/log.ts";
import type { Cidr } from "../core/types.ts";

export interface ReloadTarget {
  setNetworks(networks: readonly Cidr[]): void;
  setLogLevel(level: LogLevels): void;
  reconcile(): Promise<unknown>;
  announce(): void;
}

export interface ReloadOutcome {
  /** The keys whose values the file set, in words for a person. */
  readonly changed: readonly string[];
  readonly warning: string | null;
}

export class Reloader {
  readonly #path: string;
  readonly #target: ReloadTarget;
  readonly #notify: (state: string) => void;
  readonly #log: Log;
  readonly #events: Events;
  /** Reloads asked for at the same time run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    path: string,
    target: ReloadTarget,
    notify: (state: string) => void,
    log: Log,
    events: Events = silentEvents,
  ) {
    this.#path = path;
    this.#target = target;
    this.#notify = notify;
    this.#log = log;
    this.#events = events;
  }

  /**
   * Rejects with ERR_RELOAD for a line that cannot be used, ERR_STATE_PERMISSIONS or ERR_STATE_UNREADABLE for a file that
   * cannot be trusted or read; nothing is changed then. A missing file is a warning.
   */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#last.then(() => this.#reload());
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    this.#notify("RELOADING=1");
    try {
      return await this.#apply();
    } finally {
      this.#notify("READY=1");
    }
  }

  async #apply(): Promise<ReloadOutcome> {
    const path = this.#path;
    const text = await readSteeringFile(path);
    if (text === null) {
      const warning = `there is no ${path}: nothing was changed`;
      this.#log.warn({ path }, "no reload file, nothing changed");
      return { changed: [], warning };
    }
    const change = parseReloadFile(text, path);
    const changed: string[] = [];
    if (change.logLevel !== undefined) {
      this.#target.setLogLevel(change.logLevel);
      changed.push(`log-level=${change.logLevel}`);
    }
    if (change.advertiseRoutes !== undefined) {
      this.#target.setNetworks(change.advertiseRoutes);
      changed.push(`advertise-routes=${change.advertiseRoutes.join(",")}`);
    }
    await this.#target.reconcile();
    this.#target.announce();
    this.#log.info({ changed }, "reloaded");
    if (changed.length > 0) this.#events.emit("config.changed", { data: { changed } });
    this.#events.emit("node.reloaded", { data: { changed } });
    return { changed, warning: null };
  }
}
