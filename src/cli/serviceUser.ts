/**
 * The user that a service runs as, named by root (row G8): its socket is believed besides that of root and of the own user.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** One line: the name or number of the user. Root's, and writable by nobody else. */
export const SERVICE_USER_FILE = "/etc/wgmesh/service-user";

const WRITABLE_BY_OTHERS = 0o022;

/** Empty when root named nobody, or the file is not root's alone. */
export function trustedUids(path = SERVICE_USER_FILE): readonly number[] {
  const name = readRootsFile(path)?.trim() ?? "";
  if (/^\d+$/.test(name)) return [Number(name)];
  const row = (readRootsFile("/etc/passwd") ?? "").split("\n").find((line) => line.startsWith(`${name}:`));
  const uid = Number(row?.split(":")[2] ?? Number.NaN);
  return name !== "" && Number.isInteger(uid) ? [uid] : [];
}

/** Null for what is missing or not to be trusted; checked on the open file, so that it cannot be swapped in between. */
function readRootsFile(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const { uid, mode } = fstatSync(file);
    return uid === 0 && (mode & WRITABLE_BY_OTHERS) === 0 ? readFileSync(file, "utf8") : null;
  } finally {
    closeSync(file);
  }
}
