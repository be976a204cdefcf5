/**
 * Network namespaces with names no other run has: `wgmt-<pid>-<random>-<what>`. The pid is that of the process that made
 * them, so that a later run can tell what a dead one left behind.
 */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
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

/** Removes namespaces of runs whose process has died without cleaning up. */
export function sweepDeadRuns(): void {
  const pattern = new RegExp(`^${prefix}-(\\d+)-`);
  let names: string[] = [];
  try {
    names = readdirSync("/run/netns");
  } catch {
    return; // no namespace was ever made on this machine
  }
  for (const name of names) {
    const pid = pattern.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) deleteNamespace(name);
  }
}
