/** What of this process, and of its children, the system shows. Linux. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** `S` sleeps, `Z` is a zombie, … */
  readonly state: string;
}

/** All processes of the PID namespace. */
export function processes(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => processEntry(Number(entry)) ?? []);
}

/** Null when there is no such process. */
export function processEntry(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    const [state = "", parent] = stat.slice(end + 2).split(" ");
    return { pid, parent: Number(parent), name: stat.slice(stat.indexOf("(") + 1, end), state };
  } catch {
    return null;
  }
}

/** The state of each thread. */
export function threadStates(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2] ?? "";
  });
}

/** Children of this process, zombies included. */
export const children = (): ProcessEntry[] => processes().filter(({ parent }) => parent === process.pid);

/** Names of this process's threads that the addon made for its children. */
export const childThreads = (): string[] =>
  readdirSync("/proc/self/task")
    .map((id) => readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim())
    .filter((name) => name.startsWith("wg-"));

export const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

/** Field 22 of /proc/PID/stat with the boot's id: what a child's record calls its start. */
export function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
}

/** Threads of this process. */
export const ownThreads = (): number => readdirSync("/proc/self/task").length;
