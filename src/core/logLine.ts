import { LOG_LEVELS, type LogLevel } from "./log.ts";

/** A line of the log as observe/log.ts writes it, parsed. */
export type LogLine = Readonly<Record<string, unknown>> & {
  readonly time: string;
  readonly level: LogLevel;
  readonly module?: string;
  readonly msg: string;
};

export interface LogFilter {
  /** Lines of this severity and worse. */
  readonly level?: LogLevel;
  /** `daemon` is the daemon itself, whose lines name no module. */
  readonly module?: string;
}

export function passesLog(line: LogLine, { level, module }: LogFilter): boolean {
  const severe = level === undefined || LOG_LEVELS.indexOf(line.level) >= LOG_LEVELS.indexOf(level);
  return severe && (module === undefined || (line.module ?? "daemon") === module);
}

/** Null for what is no line of the log, such as text that somebody else wrote. */
export function parseLogLine(text: string): LogLine | null {
  try {
    const line = JSON.parse(text) as Partial<LogLine> | null;
    const known = typeof line?.time === "string" && typeof line.msg === "string";
    return known && LOG_LEVELS.includes(line.level as LogLevel) ? (line as LogLine) : null;
  } catch {
    return null;
  }
}
