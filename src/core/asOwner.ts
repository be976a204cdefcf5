/**
 * What root does with the files of a service whose user is another: as that user. So root's programs read what that user may write,
 * believe it no more than he does, and leave nothing there that he cannot read (rows G6, G7, G9).
 */
import { statSync } from "node:fs";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who owns a folder in the place of root; null when that is root, when the folder is missing, and for callers that are not root. */
export function otherOwner(folder: string): Owner | null {
  if (process.geteuid?.() !== 0) return null;
  const facts = statSync(folder, { throwIfNoEntry: false });
  return facts === undefined || facts.uid === 0 ? null : { uid: facts.uid, gid: facts.gid };
}

/**
 * Calls `use` as the owner of the folder when root asks, else as it is. It must not wait: the process is another user meanwhile, all its
 * threads are. As root where the user cannot be changed (a container without CAP_SETUID).
 */
export function asOwnerOf<T>(folder: string, use: () => T): T {
  const owner = otherOwner(folder);
  const groupId = process.getegid?.() ?? 0;
  if (owner === null || !become(owner, groupId)) return use();
  try {
    return use();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(groupId);
  }
}

function become({ uid, gid }: Owner, groupId: number): boolean {
  try {
    process.setegid?.(gid);
  } catch {
    return false;
  }
  try {
    process.seteuid?.(uid);
    return true;
  } catch {
    process.setegid?.(groupId);
    return false;
  }
}
