/**
 * The configuration of a running node: reload (row C5) and `config set` (row G4) go the same way. All is read and checked first;
 * then what is live is applied, all of it or nothing, one reconcile follows, and the others are told.
 */
import { changeableRow, parseChange } from "../config/changes.ts";
import { type Configuration, wholeProblems } from "../config/configuration.ts";
import { keptText } from "../config/kept.ts";
import {
  type Layer,
  optionsOf,
  originText,
  plainValue,
  type Setting,
  sameValue,
  valueText,
} from "../config/layers.ts";
import { type DaemonOptions, daemonOptions } from "../config/options.ts";
import { refuse } from "../config/problem.ts";
import { parseReloadFile } from "../config/reload.ts";
import { schema } from "../config/schema.ts";
import { type ShownSetting, shownSettings } from "../config/shown.ts";
import { WgmeshError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import { readSteeringFile, removeFile, writeFileAtomic } from "../core/files.ts";
import type { Log } from "../core/log.ts";

/** Where the configuration came from, and comes from again. */
export interface ConfigurationSource {
  readonly initial: Configuration;
  /** Reads all sources anew; `keptText` stands in for the file of kept settings. */
  load(keptText?: string): Configuration;
}

/** What makes a new value true, by key; each is given all options and must not wait. */
export type LiveAppliers = ReadonlyMap<string, (options: DaemonOptions) => void>;

export interface LiveConfigurationOptions {
  readonly source: ConfigurationSource;
  readonly reloadFile: string;
  readonly appliers: LiveAppliers;
  /** Makes the interface true to it, and tells the others. */
  readonly settle: () => Promise<void>;
  /** systemd's sd_notify. */
  readonly notify: (state: string) => void;
  readonly log: Log;
  readonly events: Events;
}

export interface ConfigChange {
  /** `key=value`, of what counts now. */
  readonly changed: readonly string[];
  /** Keys whose new values count after a restart. */
  readonly restart: readonly string[];
  /** Keys of what was taken back, whether that changed a value or not. */
  readonly removed: readonly string[];
  readonly warnings: readonly string[];
}

export interface ReloadOutcome {
  readonly changed: readonly string[];
  readonly warning: string | null;
  readonly restart: readonly string[];
}

const OWNER_ONLY = 0o600;

export class LiveConfiguration {
  readonly #options: LiveConfigurationOptions;
  #loaded: Configuration;
  /** What counts now. */
  #running: Layer;
  /** Set while running, by `config set` or the reload file: above all other layers. */
  #session: Layer = new Map();
  /** Changes that are asked for at the same time run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LiveConfigurationOptions) {
    this.#options = options;
    this.#loaded = options.source.initial;
    this.#running = this.#loaded.settings;
  }

  /** What counts now. */
  get options(): Readonly<DaemonOptions> {
    return optionsOf(daemonOptions, this.#running);
  }

  shown(): { file: string | null; keptFile: string; settings: ShownSetting[] } {
    const { file, keptFile, settings } = this.#loaded;
    return { file, keptFile, settings: shownSettings(this.#running, settings) };
  }

  /**
   * Reads the configuration file and the reload file again. Rejects with ERR_CONFIG or ERR_RELOAD for what cannot be used,
   * ERR_STATE_PERMISSIONS or ERR_STATE_UNREADABLE for a file that cannot be trusted or read; nothing is changed then. When
   * there is neither file, that is a warning.
   */
  reload(): Promise<ReloadOutcome> {
    const { notify } = this.#options;
    return this.#inTurn(async () => {
      notify("RELOADING=1");
      return await this.#reload().finally(() => notify("READY=1"));
    });
  }

  async #reload(): Promise<ReloadOutcome> {
    const { reloadFile, source, log, events } = this.#options;
    const text = await readSteeringFile(reloadFile);
    const loaded = source.load();
    refuse(loaded.problems);
    const session = new Map([...this.#session, ...(text === null ? [] : parseReloadFile(text, reloadFile))]);
    const { changed, restart } = await this.#apply(loaded, session);
    const hasFile = text !== null || loaded.file !== null;
    const warning = hasFile ? null : `there is neither a configuration file nor ${reloadFile}`;
    if (warning !== null) log.warn({ path: reloadFile }, "no configuration file and no reload file");
    events.emit("node.reloaded", { data: { changed } });
    return { changed, warning, restart };
  }

  /**
   * Changes what is live, at once; with `keep` for the next starts too. Rejects with ERR_CONFIG, ERR_STATE_WRITE, or what the
   * check of a value says; nothing is changed then.
   */
  set(changes: Readonly<Record<string, unknown>>, keep: boolean): Promise<ConfigChange> {
    return this.#inTurn(async () => {
      const asked = Object.entries(changes).map(([key, given]) => {
        const row = changeableRow(key);
        if (row.reload === "restart" && !keep) {
          throw new WgmeshError("ERR_CONFIG", `${key} counts from the next start on`, {
            hint: "add --keep, and restart the daemon",
          });
        }
        return { row, value: parseChange(row, given) };
      });
      const session = new Map(this.#session);
      const kept = new Map(this.#loaded.kept);
      for (const { row, value } of asked) {
        const setting: Setting = { value, origin: { kind: "set" } };
        if (keep) kept.set(row.key, setting);
        if (row.reload === "live") session.set(row.key, setting);
      }
      const keys = asked.map(({ row }) => row.key);
      return { ...(await this.#change(kept, session, keys)), removed: [] };
    });
  }

  /** Takes back what was set or kept. Rejects as {@link set} does. */
  unset(keys: readonly string[]): Promise<ConfigChange> {
    return this.#inTurn(async () => {
      const session = new Map(this.#session);
      const kept = new Map(this.#loaded.kept);
      const removed = keys.filter((key) => {
        changeableRow(key);
        return [session.delete(key), kept.delete(key)].includes(true);
      });
      return { ...(await this.#change(kept, session, keys)), removed };
    });
  }

  /** @param keys kept ones of these that something outranks are told. */
  async #change(
    kept: Layer,
    session: Map<string, Setting>,
    keys: readonly string[],
  ): Promise<Omit<ConfigChange, "removed">> {
    const { source } = this.#options;
    const text = keptText(kept);
    const loaded = source.load(text ?? "");
    refuse(loaded.problems);
    const warnings: string[] = [];
    for (const key of keys.filter((name) => kept.has(name))) {
      const origin = loaded.settings.get(key)?.origin;
      if (origin === undefined || origin.kind === "default") continue;
      if (origin.kind === "kept") session.delete(key);
      else warnings.push(`${originText(origin)} outranks the kept ${key} from the next start on`);
    }
    this.#check(loaded, session);
    await this.#keep(loaded.keptFile, kept, text);
    const { changed, restart } = await this.#apply(loaded, session);
    return { changed, restart: restart.filter((key) => keys.includes(key)), warnings };
  }

  async #keep(path: string, kept: Layer, text: string | null): Promise<void> {
    const before = this.#loaded.kept;
    const isSame =
      before.size === kept.size &&
      [...kept].every(([key, { value }]) => sameValue(before.get(key)?.value, value));
    if (isSame) return;
    if (text === null) await removeFile(path);
    else await writeFileAtomic(path, text, OWNER_ONLY);
  }

  #check(loaded: Configuration, session: Layer): { wanted: Layer; options: DaemonOptions } {
    const wanted = new Map([...loaded.settings, ...session]);
    const options = optionsOf(daemonOptions, wanted);
    refuse(wholeProblems(options, wanted));
    return { wanted, options };
  }

  async #apply(loaded: Configuration, session: Layer): Promise<Pick<ConfigChange, "changed" | "restart">> {
    const { settle, log, events } = this.#options;
    const { wanted, options } = this.#check(loaded, session);
    const running = new Map(this.#running);
    const live: string[] = [];
    const restart: string[] = [];
    for (const [key, setting] of wanted) {
      const isSame = sameValue(setting.value, running.get(key)?.value);
      const isLive = schema.get(key)?.reload === "live";
      if (isSame || isLive) running.set(key, setting);
      if (!isSame) (isLive ? live : restart).push(key);
    }
    this.#applyAll(live, options);
    [this.#loaded, this.#running, this.#session] = [loaded, running, session];
    await settle();
    const changed = live.map((key) => `${key}=${valueText(plainValue(running.get(key)?.value))}`);
    log.info({ changed, restart }, "configuration applied");
    if (changed.length > 0) events.emit("config.changed", { data: { changed } });
    return { changed, restart };
  }

  /** All or nothing. */
  #applyAll(keys: readonly string[], options: DaemonOptions): void {
    const { appliers } = this.#options;
    const before = optionsOf(daemonOptions, this.#running);
    const done: string[] = [];
    try {
      for (const key of keys) {
        done.push(key);
        appliers.get(key)?.(options);
      }
    } catch (error) {
      for (const key of done.reverse()) appliers.get(key)?.(before);
      throw error;
    }
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const outcome = this.#last.then(change);
    this.#last = outcome.catch(() => {});
    return outcome;
  }
}
