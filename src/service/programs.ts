/**
 * The programs a service runs, and whether it can: it sees neither home folders nor the /tmp of others.
 */
import { dirname } from "node:path";

/** Absolute paths, links resolved. */
export interface Programs {
  readonly node: string;
  readonly wgmeshd: string;
  readonly wgmesh: string;
}

/** Folders that the unit hides (ProtectHome=, PrivateTmp=). */
const HIDDEN = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];

const OTHERS_MAY_ENTER = 0o001;
const OTHERS_MAY_READ = 0o004;
const OTHERS_MAY_WRITE = 0o002;

/** Why the service's user cannot run a program, or must not, as a sentence; null when all is well. `modeOf` gives a path's permission bits. */
export function programProblem(path: string, modeOf: (path: string) => number): string | null {
  const hidden = HIDDEN.find((folder) => path.startsWith(folder));
  if (hidden !== undefined) return `${path} lies below ${hidden}, which a service does not see`;
  const mode = modeOf(path);
  if ((mode & OTHERS_MAY_READ) === 0) return `${path} cannot be read by the service's user`;
  if ((mode & OTHERS_MAY_WRITE) !== 0) return `${path} can be written by everybody`;
  for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) {
    const bits = modeOf(folder);
    if ((bits & OTHERS_MAY_ENTER) === 0) return `${folder} cannot be entered by the service's user`;
    if ((bits & OTHERS_MAY_WRITE) !== 0) return `${folder} can be written by everybody`;
  }
  return null;
}
