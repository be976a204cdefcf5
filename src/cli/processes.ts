/**
 * A process that is known by more than its PID, so that a PID used again is never signalled (Linux, proc(5)).
 */
import { readFileSync, statSync } from "node:fs";

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
  const command = readOrNull(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
  const isDaemon = command.slice(0, 3).some((word) => /(^|\/)wgmeshd(\.[cm]?[jt]s)?$/.test(word));
  return isDaemon ? { pid, startTicks } : null;
}

/** The same from a PID file. A process younger than the file did not write it: its PID was used again. */
export function identifyFromPidFile(path: string): ProcessIdentity | null {
  const text = readOrNull(path)?.trim() ?? "";
  if (!/^[1-9]\d{0,9}$/.test(text)) return null;
  const identity = identifyDaemon(Number(text));
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

function startTicksOf(pid: number): number | null {
  // The second field is the command in parentheses and may hold blanks and parentheses itself.
  const afterCommand = readOrNull(`/proc/${pid}/stat`)?.split(")").at(-1)?.trim().split(" ");
  const [state, startTicks] = [afterCommand?.[0], Number(afterCommand?.[19])];
  return state === undefined || state === "Z" || state === "X" || !Number.isFinite(startTicks)
    ? null
    : startTicks;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
