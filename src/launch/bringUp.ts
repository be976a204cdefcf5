/**
 * One daemon for an interface, whoever asks for it and however many do at once (row F3): the one that answers, the one that is
 * starting, or a new one.
 */
import { launchLockPath, pidFilePath, rpcSocketPath, startingPath } from "../config/paths.ts";
import { sleep } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import { makeFolderSync } from "../core/folder.ts";
import { tryLock } from "./native.ts";
import { Patience, POLL_MS } from "./patience.ts";
import { probeDaemon } from "./probeDaemon.ts";
import { identifyFromPidFile, isBusy, stalePidFile } from "./processes.ts";
import { readProgress } from "./progress.ts";
import { lostToAnother, type StartRequest, startInBackground } from "./start.ts";

export interface BroughtUp {
  readonly pid: number;
  readonly outcome: "started" | "already running";
  /** Sentences on what was found of an earlier run. */
  readonly notes: readonly string[];
}

export interface BringUpRequest extends Omit<StartRequest, "secretFd"> {
  /** Called when a daemon has to be started, and not before: it may ask a person. */
  readonly secretFd: () => Promise<number>;
}

/** Rejects as {@link startInBackground}, and with ERR_TIMEOUT for a daemon of another's that does not come to answer. */
export async function bringUp(request: BringUpRequest): Promise<BroughtUp> {
  const { options, clock } = request;
  const patience = new Patience(clock);
  for (;;) {
    const running = await probeDaemon({ ...request.client, clock });
    if (running !== null) return { pid: running, outcome: "already running", notes: [] };
    const lock = lockLaunch(request);
    if (lock !== null) {
      try {
        const started = await startUnlessThere(request);
        if (started !== null) return started;
      } finally {
        lock.release();
      }
    }
    const other = readProgress(startingPath(options)) ?? aliveDaemon(request);
    const pid = other?.pid ?? null;
    const step = other?.step ?? null;
    // Whoever holds the lock has patience of its own, and reads the program before there is a process to look at.
    const busy = lock === null || (pid !== null && isBusy(pid));
    const verdict = patience.judge({ pid, step, busy });
    if (verdict !== "wait") throw missing(request, pid, step);
    await sleep(clock, POLL_MS);
  }
}

function lockLaunch({ options }: BringUpRequest): { release(): void } | null {
  makeFolderSync(options.runDir, 0o755);
  return tryLock(launchLockPath(options));
}

/** With the lock. Null when another's daemon is there and does not answer yet. */
async function startUnlessThere(request: BringUpRequest): Promise<BroughtUp | null> {
  const { options, clock } = request;
  const running = await probeDaemon({ ...request.client, clock });
  if (running !== null) return { pid: running, outcome: "already running", notes: [] };
  if (aliveDaemon(request) !== null) return null;
  const stale = stalePidFile(pidFilePath(options));
  try {
    const pid = await startInBackground({ ...request, secretFd: await request.secretFd() });
    return { pid, outcome: "started", notes: stale === null ? [] : [stale] };
  } catch (error) {
    if (lostToAnother(error)) return null;
    throw error;
  }
}

function aliveDaemon({ options }: BringUpRequest): { readonly pid: number; readonly step: null } | null {
  const alive = identifyFromPidFile(pidFilePath(options));
  return alive === null ? null : { pid: alive.pid, step: null };
}

function missing({ options }: BringUpRequest, pid: number | null, step: string | null): WgmeshError {
  const socket = rpcSocketPath(options);
  const who = pid === null ? "another start" : `a daemon of ${options.interfaceName} (PID ${pid})`;
  const where = step === null ? "" : `, it got as far as the step ${step}`;
  return new WgmeshError("ERR_TIMEOUT", `${who} is there, but does not answer on ${socket}${where}`, {
    hint: "look at its log; 'wgmesh down --force' ends it",
  });
}
