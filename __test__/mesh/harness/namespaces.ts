/**
 * Network namespaces with names no other run has: `wgmt-<pid>-<random>-<what>`. The pid is that of the process that made
 * them, so that a later run can tell what a dead one left behind.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { attempt, isAlive, must } from "./exec.ts";

const prefix = "wgmt";

/** Text that is unique to one lab of one process. */
export const newRunId = (): string => `${prefix}-${process.pid}-${randomBytes(3).toString("hex")}`;

export function addNamespace(name: string): void {
  must(["ip", "netns", "add", name]);
  must(["ip", "-n", name, "link", "set", "lo", "up"]);
}

/** Ends what runs in the namespace, then removes it. Not an error when it is gone. */
export function deleteNamespace(name: string): void {
  for (const pid of attempt(["ip", "netns", "pids", name]).split("\n").filter(Boolean)) {
    attempt(["kill", "-9", pid]);
  }
  attempt(["ip", "netns", "delete", name]);
}

/** Removes namespaces and temporary folders of runs whose process has died without cleaning up. */
export function sweepDeadRuns(): void {
  for (const name of leftByDeadRuns("/run/netns")) deleteNamespace(name);
  for (const name of leftByDeadRuns(tmpdir()))
    rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
}

/** Entries of a folder that carry the name of a run whose process is gone. */
function leftByDeadRuns(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
}
