/**
 * The options of the process itself (row F1): where it runs and where its log goes.
 */
import { type OptionTable, on, value } from "./optionRow.ts";
import type { Problem } from "./problem.ts";
import * as values from "./values.ts";

const LOG_TARGETS = ["stderr", "file", "journald", "syslog"] as const;
export type LogTarget = (typeof LOG_TARGETS)[number];

export interface ProcessOptions {
  /** Detach, and return when the daemon answers. */
  readonly daemon: boolean;
  /** Absolute; a second PID file, for other programs. Null writes the one in the run folder alone. */
  readonly pidFile: string | null;
  /** Null when nobody chose one: the file with `--log-file` or `--daemon`, else standard error ({@link logTargetOf}). */
  readonly logTarget: LogTarget | null;
  /** Absolute; null is `<state-dir>/<interface>.log`, where the log goes to a file. */
  readonly logFile: string | null;
  /** Bytes at which a log file is put aside. */
  readonly logMaxSize: number;
  /** Log files put aside that are kept. */
  readonly logKeep: number;
}

const DEFAULT_LOG_MAX_SIZE = 10_000_000;
const DEFAULT_LOG_KEEP = 5;

export const processOptions: OptionTable<ProcessOptions> = {
  daemon: {
    flag: "--daemon",
    group: "Process",
    help: "go to the background; returns when the daemon answers, or says why it could not start",
    default: false,
    flagOnly: "the same file serves a service manager, which wants a daemon in the foreground",
    form: on,
  },
  pidFile: {
    flag: "--pid-file",
    group: "Process",
    help: "write the PID to this file too (besides <run-dir>/<interface>.pid)",
    example: "/run/wgmeshd.pid",
    default: null,
    form: value("PATH", values.path),
  },
  logTarget: {
    flag: "--log-target",
    group: "Log",
    help: "where the log goes: stderr, file, journald, syslog (default: stderr; file with --log-file or --daemon)",
    example: "journald",
    default: null,
    form: value("TARGET", values.oneOf(LOG_TARGETS)),
  },
  logFile: {
    flag: "--log-file",
    group: "Log",
    help: "log to this file (with --daemon or --log-target file: <state-dir>/<interface>.log); SIGUSR1 opens it anew",
    example: "/var/log/wgmesh.log",
    default: null,
    form: value("PATH", values.path),
  },
  logMaxSize: {
    flag: "--log-max-size",
    group: "Log",
    help: "bytes at which the log file becomes PATH.1, and that one PATH.2",
    default: DEFAULT_LOG_MAX_SIZE,
    defaultText: String(DEFAULT_LOG_MAX_SIZE),
    live: true,
    form: value("BYTES", values.fileSize),
  },
  logKeep: {
    flag: "--log-keep",
    group: "Log",
    help: "how many such files are kept",
    default: DEFAULT_LOG_KEEP,
    defaultText: String(DEFAULT_LOG_KEEP),
    live: true,
    form: value("COUNT", values.fileCount),
  },
};

type LogOptions = Pick<ProcessOptions, "daemon" | "logTarget" | "logFile">;

export function logTargetOf({ daemon, logTarget, logFile }: LogOptions): LogTarget {
  return logTarget ?? (daemon || logFile !== null ? "file" : "stderr");
}

/** A log that nobody would find. `place` names where the value of a key stands. */
export function logContradictions(options: LogOptions, place: (key: string) => string): Problem[] {
  const { daemon, logTarget, logFile } = options;
  const problem = (message: string, hint: string): Problem[] => [
    { code: "ERR_USAGE", message: `${place("log-target")}: ${message}`, hint },
  ];
  if (logTarget === null || logTarget === "file") return [];
  if (logFile !== null) {
    return problem(`${logTarget}, but ${place("log-file")} names a file`, "leave one of them out");
  }
  if (logTarget === "stderr" && daemon) {
    return problem(
      "a daemon in the background has no standard error",
      "leave it out for the log file, or choose journald or syslog",
    );
  }
  if (logTarget === "journald" && process.platform !== "linux") {
    return problem("journald is systemd's, which Linux alone has", "use syslog, or --log-file");
  }
  return [];
}
