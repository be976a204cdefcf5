/**
 * What modules see of the log. Fields come first and use the names of LOGGING.md; the message is a short sentence
 * without data in it. pino satisfies this interface.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Log;
}

/** From the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line's `module` may say; `daemon` stands for the lines without one. */
export const LOG_MODULES = ["daemon", "discovery", "mesh", "rpc", "tasks"] as const;

declare const checkedLevels: unique symbol;
/** A level for all modules, or one followed by others for single ones: `info,discovery=debug`. Canonical: the first is for all. */
export type LogLevels = LogLevel | (string & { readonly [checkedLevels]: true });

/** The levels of a text, `info` for all modules when it names single ones alone; throws a sentence on what is wrong with it. */
export function parseLogLevels(text: string): LogLevels {
  let base: LogLevel = "info";
  const modules = new Map<string, LogLevel>();
  for (const entry of text.split(",").map((part) => part.trim())) {
    const [name = "", word, ...more] = entry.split("=").map((part) => part.trim());
    const level = LOG_LEVELS.find((known) => known === (word ?? name));
    if (level === undefined || more.length > 0) throw new Error(`${JSON.stringify(entry)} is not a level`);
    if (word === undefined) base = level;
    else if (LOG_MODULES.some((known) => known === name)) modules.set(name, level);
    else
      throw new Error(
        `${JSON.stringify(name)} is not a part of the log; those are ${LOG_MODULES.join(", ")}`,
      );
  }
  const single = [...modules].map(([name, level]) => `${name}=${level}`);
  return [base, ...single].join(",") as LogLevels;
}

/** The levels as a table: `base`, and what differs from it. */
export function tableOfLevels(levels: LogLevels): {
  readonly base: LogLevel;
  readonly modules: ReadonlyMap<string, LogLevel>;
} {
  const [base, ...single] = levels.split(",") as [LogLevel, ...string[]];
  return { base, modules: new Map(single.map((entry) => entry.split("=") as [string, LogLevel])) };
}

export type LogFields = Readonly<Record<string, unknown>>;

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
