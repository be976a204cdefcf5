/**
 * A process that is known by more than its PID, so that a PID used again is never signalled (Linux, proc(5)).
 */
import { readFileSync, readlinkSync, statSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot; with the PID it names one process for ever. */
  readonly startTicks: number;
}

/** USER_HZ, the unit of /proc/<pid>/stat: 100 on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;

/** Boot time is known to the second, file times to the tick of a timer. */
const CLOCK_SLACK_MS = 2000;

/** The running `wgmeshd` of that PID, or null when there is none (a zombie counts as gone). */
export function identifyDaemon(pid: number): ProcessIdentity | null {
  const startTicks = startTicksOf(pid);
  if (startTicks === null) return null;
  const command = readOrNull(`/proc/${pid}/cmdline`) ?? "";
  const words = command.split("\0").slice(0, 3);
  const isDaemon = words.some((word) => /(^|\/)wgmeshd(\.[cm]?[jt]s)?$/.test(word));
  return isDaemon || (command === "" && isBecomingAnother(pid)) ? { pid, startTicks } : null;
}

/** In the middle of execve(2) a process has no words, and its successor's program already: that of a daemon is this one's. */
function isBecomingAnother(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === process.execPath;
  } catch {
    return false;
  }
}

/** The same from a PID file. A process younger than the file did not write it: its PID was used again. */
export function identifyFromPidFile(path: string): ProcessIdentity | null {
  const pid = readPidFile(path);
  if (pid === null) return null;
  const identity = identifyDaemon(pid);
  const bootSeconds = Number(/^btime (\d+)$/m.exec(readOrNull("/proc/stat") ?? "")?.[1]);
  if (identity === null || !Number.isFinite(bootSeconds)) return null;
  const startedMs = (bootSeconds + identity.startTicks / TICKS_PER_SECOND) * 1000;
  return startedMs <= statSync(path).mtimeMs + CLOCK_SLACK_MS ? identity : null;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startTicksOf(identity.pid) === identity.startTicks;
}

/** Signals exactly that process, if it still runs. */
export function signal(identity: ProcessIdentity, name: "SIGTERM" | "SIGKILL"): void {
  if (isAlive(identity)) process.kill(identity.pid, name);
}

/** True while the process runs, is ready to, or waits for the disk: it is at work, however slowly. False where that cannot be told. */
export function isBusy(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state === "R" || state === "D";
}

/** The PID in a file, whatever it names now; null when there is none to be read. */
function readPidFile(path: string): number | null {
  const text = readOrNull(path)?.trim() ?? "";
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
}

/** What a PID file says that names no daemon of ours: a sentence, or null when there is no such file, or it names one. */
export function stalePidFile(path: string): string | null {
  const pid = readPidFile(path);
  if (pid === null || identifyFromPidFile(path) !== null) return null;
  const now = startTicksOf(pid) === null ? "which is gone" : "which is another program now";
  return `${path} is of an earlier run: it names PID ${pid}, ${now}`;
}

function startTicksOf(pid: number): number | null {
  const stat = statOf(pid);
  const [state, startTicks] = [stat?.[0], Number(stat?.[19])];
  return state === undefined || state === "Z" || state === "X" || !Number.isFinite(startTicks)
    ? null
    : startTicks;
}

/** The fields of /proc/<pid>/stat from the state on. */
function statOf(pid: number): string[] | undefined {
  // The second field is the command in parentheses and may hold blanks and parentheses itself.
  return readOrNull(`/proc/${pid}/stat`)?.split(")").at(-1)?.trim().split(" ");
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
