/**
 * The members of `--socket-group` (row G8). The kernel decides who opens the socket, by the rights of its file; this looks again, at
 * the group of SO_PEERCRED and, where there is a /proc, at the further ones of the process.
 */
import { readFileSync } from "node:fs";
import { WgmeshError } from "../core/errors.ts";

/** The number of a group, by its name in /etc/group or as it is. Throws ERR_USAGE. */
export function groupId(name: string): number {
  if (/^\d+$/.test(name)) return Number(name);
  const row = readLines("/etc/group").find((line) => line.startsWith(`${name}:`));
  const id = Number(row?.split(":")[2] ?? Number.NaN);
  if (Number.isInteger(id)) return id;
  throw new WgmeshError("ERR_USAGE", `--socket-group: there is no group ${JSON.stringify(name)}`, {
    hint: `make it with 'groupadd ${name}'`,
  });
}

/** The further groups of a process; none when it is gone, or where there is no /proc. */
export function supplementaryGroups(pid: number): readonly number[] {
  const line = readLines(`/proc/${pid}/status`).find((each) => each.startsWith("Groups:"));
  return (line ?? "").split(/\s+/).slice(1).filter(Boolean).map(Number);
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}
