/** Where the log of a node goes: standard error, or a file that rotates. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DaemonOptions } from "../config/options.ts";
import { logFilePath } from "../config/paths.ts";
import { isJournal } from "../core/journal.ts";
import { writeToStderr } from "../observe/log.ts";
import { RotatingFile } from "../observe/rotatingFile.ts";

export interface LogOutput {
  readonly write: (line: string) => void;
  /** A person may be reading. */
  readonly terminal: boolean;
  readonly isFile: boolean;
  /** systemd's journal reads it, and takes a priority before each line. */
  readonly isJournal: boolean;
  /** Somebody moved the file away (SIGUSR1). */
  reopen(): void;
  /** Writes what waited for room on the disk, if there is some now. */
  retry(): void;
  /** From now on. */
  readonly setLimits: (limits: Pick<DaemonOptions, "logMaxSize" | "logKeep">) => void;
}

/**
 * Throws ERR_LOG_FILE when the file cannot be opened.
 *
 * @param onTrouble as of {@link RotatingFile}, but it may log: it is called once the line at hand is done with.
 */
export function openLogOutput(options: DaemonOptions, onTrouble: (reason: string | null) => void): LogOutput {
  const path = logFilePath(options);
  if (path === null) {
    return {
      write: writeToStderr,
      terminal: process.stderr.isTTY === true,
      isFile: false,
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
    onTrouble: (reason) => queueMicrotask(() => onTrouble(reason)),
  });
  return {
    write: (line) => file.write(line),
    terminal: false,
    isFile: true,
    isJournal: false,
    reopen: () => file.reopen(),
    retry: () => file.retry(),
    setLimits: ({ logMaxSize, logKeep }) => file.setLimits(logMaxSize, logKeep),
  };
}
