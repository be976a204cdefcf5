/**
 * Starts a daemon in the background and waits until it answers (rows F1, F3).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync } from "node:fs";
import type { Readable } from "node:stream";
import type { DaemonOptions } from "../config/options.ts";
import { logFilePath, startingPath } from "../config/paths.ts";
import { logTargetOf } from "../config/processOptions.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ExitCode as codes, type ExitCode, messageOf, WgmeshError } from "../core/errors.ts";
import type { ClientOptions } from "../rpc/client.ts";
import { launchVariable } from "./launch.ts";
import { logTail, sizeOf } from "./logTail.ts";
import { keepDescriptors } from "./native.ts";
import { Patience, POLL_MS } from "./patience.ts";
import { probeDaemon } from "./probeDaemon.ts";
import { isBusy } from "./processes.ts";
import { readProgress } from "./progress.ts";

/** Lines of its log that are shown when a daemon could not start. */
const SHOWN_LINES = 10;

const REPORT_FD = 3;
const SECRET_FD = 4;

export interface StartRequest {
  readonly options: DaemonOptions;
  /** Absolute path of the daemon's program. */
  readonly program: string;
  /** Its words; without the secret. */
  readonly commandLine: readonly string[];
  /** A pipe with the secret; closed here in any case. */
  readonly secretFd: number;
  /** How the daemon is reached once it answers. */
  readonly client: ClientOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/**
 * Resolves to the PID of a daemon that answers. Rejects with ERR_START: its own words and exit code, the last lines of its log as
 * `detail`; one that gives no sign for 2 s, or is not ready after 15 s, is told to end.
 */
export async function startInBackground(request: StartRequest): Promise<number> {
  const log = logFilePath({ ...request.options, daemon: true });
  const failed = startError.bind(null, request, { path: log, since: log === null ? 0 : sizeOf(log) });
  const child = launch(request);
  const watched = watch(child);
  const { options, clock } = request;
  const patience = new Patience(clock);
  for (;;) {
    await Promise.race([sleep(clock, POLL_MS), watched.ended]);
    const end = watched.end();
    if (end !== null) throw failedStart(failed, end, watched.words());
    const pid = await probeDaemon({ ...request.client, clock });
    if (pid !== null && pid === child.pid) break;
    const step = readProgress(startingPath(options))?.step ?? null;
    const verdict = patience.judge({ pid: child.pid ?? null, step, busy: isBusy(child.pid ?? 0) });
    if (verdict === "wait") continue;
    child.kill("SIGTERM");
    const after = step === null ? "before its first step" : `after the step ${step}`;
    const why = verdict === "stuck" ? "gives no sign any more" : "is not ready";
    throw failed(`it ${why} after ${seconds(patience.elapsedMs)}, ${after}; it was told to end`);
  }
  watched.release();
  return child.pid as number;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function launch({ options, program, commandLine, secretFd, env }: StartRequest): ChildProcess {
  // The log file is opened first of all, in a folder that the daemon makes only later.
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const { WGMESH_SECRET: _secret, ...inherited } = env;
  try {
    keepDescriptors();
    return spawn(process.execPath, [...process.execArgv, program, ...commandLine], {
      // A session of its own, without a terminal. Its words hold no path that depends on the folder.
      detached: true,
      cwd: "/",
      env: {
        ...inherited,
        ...launchVariable({ detached: true, reportFd: REPORT_FD, secretFd: SECRET_FD }),
      },
      stdio: ["ignore", "ignore", "ignore", "pipe", secretFd],
    });
  } finally {
    closeSync(secretFd);
  }
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The program could not be run at all. */
  readonly error?: Error;
}

function watch(child: ChildProcess) {
  let end: End | null = null;
  let words = "";
  const report = child.stdio[REPORT_FD] as Readable;
  report.setEncoding("utf8");
  report.on("data", (text: string) => {
    words += text;
  });
  // A daemon that answers closes its side.
  report.on("error", () => {});
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      end = { code: null, signal: null, error };
      resolve();
    });
    // "close", not "exit": all its words are here then.
    child.once("close", (code, signal) => {
      end ??= { code, signal };
      resolve();
    });
  });
  return {
    ended,
    end: (): End | null => end,
    words: () => words,
    release: () => {
      report.destroy();
      child.unref();
    },
  };
}

type Failed = (reason: string, hint?: string, exitCode?: ExitCode) => WgmeshError;

function failedStart(failed: Failed, { code, signal, error }: End, words: string): WgmeshError {
  if (error !== undefined) return failed(messageOf(error));
  const [first = "", second = ""] = words.split("\n");
  const told = first.replace(/^wgmeshd: /, "");
  const how = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
  const known = Object.values(codes).find((value) => value === code && value !== codes.ok);
  return failed(told === "" ? how : told, second.replace(/^hint: /, ""), known);
}

function startError(
  { options }: StartRequest,
  log: { readonly path: string | null; readonly since: number },
  reason: string,
  hint = "",
  exitCode?: ExitCode,
): WgmeshError {
  const tail = log.path === null ? "" : logTail(log.path, SHOWN_LINES, log.since);
  const usual = log.path === null ? serviceHint({ ...options, daemon: true }) : "";
  return new WgmeshError("ERR_START", `the daemon of ${options.interfaceName} did not start: ${reason}`, {
    ...(hint + usual === "" ? {} : { hint: hint || usual }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(tail === "" ? {} : { detail: `the last lines of ${log.path}:\n${tail}` }),
  });
}

/** Where the log is when it is no file. */
const serviceHint = (options: DaemonOptions): string =>
  logTargetOf(options) === "journald"
    ? "its log says more: journalctl -t wgmeshd"
    : "the lines of wgmeshd in the log of this machine say more";

/** Whether a start failed since another daemon was faster. */
export function lostToAnother(error: unknown): boolean {
  return (
    error instanceof WgmeshError && error.code === "ERR_START" && error.exitCode === codes.alreadyRunning
  );
}
