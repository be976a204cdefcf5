/** The few ways wgmesh touches files that matter: written whole or not at all, read only when nobody else can write. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Owner } from "./asOwner.ts";
import { messageOf, WgmeshError } from "./errors.ts";
import { type Random, systemRandom } from "./random.ts";

/** Far more than any file that steers the daemon needs. */
const MAX_STEERING_BYTES = 1024 * 1024;

const WRITABLE_BY_OTHERS = 0o022;
/** Not the group: keys of TLS are often handed out by one. */
const READABLE_BY_OTHERS = 0o004;

const READABLE_BUT_BY_OWNER = 0o044;

/** Opening a FIFO must not wait for a writer. */
const STEERING_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Replaces the file in one step: readers, and a crash at any instant, see the old content or the new. The content is on
 * the disk when it returns. Fails with ERR_STATE_WRITE, the old file untouched and no temporary file left.
 *
 * @param mode permission bits of the new file, whatever the umask.
 * @param owner of the new file; who writes it, when null. Only root can give a file away.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  mode: number,
  random: Random = systemRandom,
  owner: Owner | null = null,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${random.bytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await fillAndSync(file, data, mode, owner);
      await rename(temporary, path);
    } catch (cause) {
      await unlink(temporary);
      throw cause;
    }
    await syncFolder(dirname(path));
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The same at once, for what few and short changes keep: it waits for the disk. Throws ERR_STATE_WRITE. */
export function writeFileAtomicSync(
  path: string,
  data: string,
  mode: number,
  random: Random = systemRandom,
): void {
  const temporary = join(dirname(path), `.${basename(path)}.${random.bytes(6).toString("hex")}.tmp`);
  try {
    const file = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      fchmodSync(file, mode);
      writeFileSync(file, data);
      fsyncSync(file);
      renameSync(temporary, path);
    } catch (cause) {
      unlinkSync(temporary);
      throw cause;
    } finally {
      closeSync(file);
    }
    const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The file is gone, on the disk too, when it returns; one that is not there is none. Fails with ERR_STATE_WRITE. */
export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await syncFolder(dirname(path));
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot remove ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function fillAndSync(
  file: FileHandle,
  data: string | Uint8Array,
  mode: number,
  owner: Owner | null,
): Promise<void> {
  try {
    if (owner !== null) await file.chown(owner.uid, owner.gid);
    await file.chmod(mode);
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * The text of a file that steers the daemon (row B3), or null when there is none. It must be a regular file of at most
 * `maxBytes` (1 MiB), owned by root or this process's user, and writable by its owner only: whoever writes it commands a process
 * that is often root. All is checked on the open file, so that it cannot be swapped in between. Fails with
 * ERR_STATE_PERMISSIONS or ERR_STATE_UNREADABLE.
 *
 * @param secret the text is a key: others must not be able to read it either.
 */
export async function readSteeringFile(
  path: string,
  {
    secret = false,
    maxBytes = MAX_STEERING_BYTES,
  }: { readonly secret?: boolean; readonly maxBytes?: number } = {},
): Promise<string | null> {
  try {
    const file = await open(path, STEERING_FLAGS);
    try {
      const stats = await file.stat();
      checkSteering(path, stats, maxBytes);
      if (secret && (stats.mode & READABLE_BY_OTHERS) !== 0) throw openToOthers(path, "read", stats.mode);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (cause) {
    return missing(path, cause);
  }
}

/** The same at once, for what is read before anything runs. */
export function readSteeringFileSync(path: string): string | null {
  try {
    const file = openSync(path, STEERING_FLAGS);
    try {
      checkSteering(path, fstatSync(file));
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    return missing(path, cause);
  }
}

/**
 * The text of a file with a secret of whoever runs this (row B3), or null when there is none: owned by root or this user, and neither
 * read nor written by anybody else. What is no regular file, such as a pipe, has no others. Waits for a pipe's writer. Throws
 * ERR_STATE_PERMISSIONS or ERR_STATE_UNREADABLE.
 */
export function readSecretFileSync(path: string): string | null {
  try {
    const file = openSync(path, constants.O_RDONLY);
    try {
      const stats = fstatSync(file);
      if (stats.isFile()) {
        checkSteering(path, stats);
        if ((stats.mode & READABLE_BUT_BY_OWNER) !== 0) throw openToOthers(path, "read", stats.mode);
      }
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    return missing(path, cause);
  }
}

function missing(path: string, cause: unknown): null {
  if (cause instanceof WgmeshError) throw cause;
  if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
  throw new WgmeshError("ERR_STATE_UNREADABLE", `cannot read ${path}: ${messageOf(cause)}`, { cause });
}

function checkSteering(path: string, { uid, mode, size }: Stats, maxBytes = MAX_STEERING_BYTES): void {
  const isRegular = (mode & constants.S_IFMT) === constants.S_IFREG;
  if (!isRegular) throw new WgmeshError("ERR_STATE_UNREADABLE", `${path} is not a regular file`);
  if (size > maxBytes) {
    throw new WgmeshError("ERR_STATE_UNREADABLE", `${path} is larger than ${maxBytes / 1024 / 1024} MiB`);
  }
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw new WgmeshError("ERR_STATE_PERMISSIONS", `${path} belongs to user ${uid}`);
  }
  if ((mode & WRITABLE_BY_OTHERS) !== 0) throw openToOthers(path, "written", mode);
}

function openToOthers(path: string, verb: "read" | "written", mode: number): WgmeshError {
  const bits = (mode & 0o777).toString(8);
  return new WgmeshError("ERR_STATE_PERMISSIONS", `${path} can be ${verb} by others (mode ${bits})`);
}
