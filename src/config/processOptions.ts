/**
 * The options of the process itself (row F1): where it runs and where its log goes.
 */
import { type OptionTable, on, value } from "./optionRow.ts";
import * as values from "./values.ts";

export interface ProcessOptions {
  /** Detach, and return when the daemon answers. */
  readonly daemon: boolean;
  /** Absolute; a second PID file, for other programs. Null writes the one in the run folder alone. */
  readonly pidFile: string | null;
  /** Absolute; null is standard error, or with `--daemon` `<state-dir>/<interface>.log`. */
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
  logFile: {
    flag: "--log-file",
    group: "Log",
    help: "log to this file (default: standard error; with --daemon <state-dir>/<interface>.log); SIGUSR1 opens it anew",
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
