/** Where the log of a node goes: standard error, a file that rotates, or a log service of the machine. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DaemonOptions } from "../config/options.ts";
import { logFilePath } from "../config/paths.ts";
import { logTargetOf } from "../config/processOptions.ts";
import { isJournal } from "../core/journal.ts";
import { writeToStderr } from "../observe/log.ts";
import { RotatingFile } from "../observe/rotatingFile.ts";
import { openLogService } from "./logServices.ts";

export interface LogOutput {
  readonly write: (line: string) => void;
  /** A person may be reading. */
  readonly terminal: boolean;
  /** Not standard error: what is written there is not in the log. */
  readonly isElsewhere: boolean;
  /** Takes lines as JSON whatever the format, and makes of them what its service wants. */
  readonly takesJson: boolean;
  /** systemd's journal reads it, and takes a priority before each line. */
  readonly isJournal: boolean;
  /** Somebody moved the file away (SIGUSR1). */
  reopen(): void;
  /** Writes what waited for room on the disk, or for the service, if there is some now. */
  retry(): void;
  /** From now on. */
  readonly setLimits: (limits: Pick<DaemonOptions, "logMaxSize" | "logKeep">) => void;
}

/** May log: both are called once the line at hand is done with. */
export interface LogListener {
  /** `id` is that of the trouble which stands, or is over when the reason is null. */
  readonly onTrouble: (id: "log-file" | "log-target", reason: string | null) => void;
  /** Lines that a log service did not take, told when it takes some again. */
  readonly onLost: (lines: number) => void;
}

/** Throws ERR_LOG_FILE when the file cannot be opened, ERR_LOG_TARGET when the service does not run. */
export function openLogOutput(options: DaemonOptions, { onTrouble, onLost }: LogListener): LogOutput {
  const target = logTargetOf(options);
  if (target === "journald" || target === "syslog") {
    const service = openLogService(target, options, {
      onTrouble: (reason) => queueMicrotask(() => onTrouble("log-target", reason)),
      onLost: (lines) => queueMicrotask(() => onLost(lines)),
    });
    return {
      write: (line) => service.write(line),
      terminal: false,
      isElsewhere: true,
      takesJson: true,
      isJournal: false,
      // Each line goes to whoever has the socket's path now: what waits is all that is left to do.
      reopen: () => void service.retry(),
      retry: () => void service.retry(),
      setLimits: () => {},
    };
  }
  const path = logFilePath(options);
  if (path === null) {
    return {
      write: writeToStderr,
      terminal: process.stderr.isTTY === true,
      isElsewhere: false,
      takesJson: false,
      isJournal: isJournal(process.env.JOURNAL_STREAM),
      reopen: () => {},
      retry: () => {},
      setLimits: () => {},
    };
  }
  // The default one lies in the state folder, which is made when the node starts.
  if (options.logFile === null) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = new RotatingFile({
    path,
    maxBytes: options.logMaxSize,
    keep: options.logKeep,
    onTrouble: (reason) => queueMicrotask(() => onTrouble("log-file", reason)),
  });
  return {
    write: (line) => file.write(line),
    terminal: false,
    isElsewhere: true,
    takesJson: false,
    isJournal: false,
    reopen: () => file.reopen(),
    retry: () => file.retry(),
    setLimits: ({ logMaxSize, logKeep }) => file.setLimits(logMaxSize, logKeep),
  };
}
