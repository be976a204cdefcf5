/**
 * The log of a node: pino behind the `Log` seam. Lines go out synchronously (the last ones before an exit count most) and
 * without pino's transports, which start threads from files that a single-file build does not have.
 */
import { writeSync } from "node:fs";
import { type Logger, pino } from "pino";
import type { Clock } from "../core/clock.ts";
import { LOG_LEVELS, type Log, type LogLevels, tableOfLevels } from "../core/log.ts";
import { formatText } from "../core/logText.ts";
import { redact } from "../core/redact.ts";
import { RepeatLimiter } from "./repeats.ts";
import { severityOf } from "./severity.ts";

export interface LogOptions {
  readonly level: LogLevels;
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly format: "auto" | "text" | "json";
  /** Whether the lines end on a terminal, which gets text and, unless `noColour`, colours. */
  readonly terminal: boolean;
  /** See `core/terminalKind.ts`. */
  readonly noColour: boolean;
  /** Puts each line's priority before it, as systemd's journal takes it (sd-daemon(3)). */
  readonly priorities?: boolean;
  readonly clock: Clock;
  /** Takes one line with its LF; must not throw. {@link writeToStderr} in production. */
  readonly write: (line: string) => void;
  /** Given each line as JSON with its LF, whatever the format; must not throw, nor log. */
  readonly keep?: (line: string) => void;
}

/** The root log, and its level, which a reload may change for every child at once. */
export interface NodeLog {
  readonly log: Log;
  level: LogLevels;
}

export function createLog(options: LogOptions): NodeLog {
  const { clock, format, terminal, noColour, priorities = false, write, keep } = options;
  const text = format === "text" || (format === "auto" && terminal);
  const colour = terminal && !noColour;
  const repeats = new RepeatLimiter(clock);
  let thresholds = new Thresholds(options.level);
  let level = options.level;

  const log = pino(
    {
      // Children of pino keep the level they were made with; the hook below applies ours to all of them, live.
      level: LOG_LEVELS[0],
      base: null,
      timestamp: () => `,"time":"${new Date(clock.wallMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(args, method, severity) {
          if (!thresholds.admit(severity, this)) return;
          const suppressed = severity === pino.levels.values.warn ? repeats.admit(keyOf(this, args)) : 0;
          if (suppressed === null) return;
          const [fields, ...rest] = args as unknown as [object, ...string[]];
          const marked = suppressed === 0 ? fields : { ...fields, suppressed };
          method.apply(this, [marked, ...rest] as unknown as typeof args);
        },
      },
    },
    {
      write(line: string) {
        const safe = redact(line);
        keep?.(safe);
        const shown = text ? formatText(safe, colour) : safe;
        write(priorities ? `${priorityOf(safe)}${shown}` : shown);
      },
    },
  );

  return {
    log,
    get level() {
      return level;
    },
    set level(next) {
      level = next;
      thresholds = new Thresholds(next);
    },
  };
}

/** From which severity on lines are let through, module by module. */
class Thresholds {
  readonly #base: number;
  readonly #modules: ReadonlyMap<string, number>;
  /** Below it nobody speaks, so that no module need be looked up for most lines that are held back. */
  readonly #least: number;
  /** Of each logger that was asked for: pino reads a logger's bindings out of text every time. */
  readonly #known = new WeakMap<Logger, number>();

  constructor(levels: LogLevels) {
    const { base, modules } = tableOfLevels(levels);
    const severity = (level: string): number => pino.levels.values[level] ?? 0;
    this.#base = severity(base);
    this.#modules = new Map([...modules].map(([name, level]) => [name, severity(level)]));
    this.#least = Math.min(this.#base, ...this.#modules.values());
  }

  admit(severity: number, logger: Logger): boolean {
    if (severity < this.#least) return false;
    if (this.#modules.size === 0) return true;
    let threshold = this.#known.get(logger);
    if (threshold === undefined) {
      threshold = this.#modules.get(String(logger.bindings().module ?? "daemon")) ?? this.#base;
      this.#known.set(logger, threshold);
    }
    return severity >= threshold;
  }
}

/** As sd-daemon(3) wants it. pino puts the level first. */
const priorityOf = (line: string): string => `<${severityOf(line.split('"', 4)[3])}>`;

/** Warnings of one module with one message are of a kind, whatever their fields. */
function keyOf(logger: Logger, args: readonly unknown[]): string {
  return `${String(logger.bindings().module)} ${String(args[1])}`;
}

/** How often a full pipe is tried again, 1 ms apart, before the line is given up: a stuck reader must not stop the node. */
const FULL_PIPE_TRIES = 50;

/** Writes to standard error. A reader that went away or a full disk costs the line, nothing else. */
export function writeToStderr(line: string): void {
  let rest = Buffer.from(line);
  for (let tries = 0; rest.length > 0 && tries < FULL_PIPE_TRIES; ) {
    try {
      rest = rest.subarray(writeSync(2, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      tries += 1;
      pause(1);
    }
  }
}

/** Blocks the thread: at exit there is no later. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
