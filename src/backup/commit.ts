/**
 * Puts the files of an import in place: all of them or none, whenever the process or the machine dies.
 *
 * Every file is written beside its place first. Then a journal names them all; from that instant on the import counts, and whoever
 * comes next (the next import, or the start of the daemon) finishes the renames of one that was cut off.
 *
 * Files of a folder that is another user's, a service's, are that user's (core/asOwner.ts).
 */
import { readFileSync, renameSync, statSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asOwnerOf, otherOwner } from "../core/asOwner.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSteeringFileSync, syncFolder, writeFileAtomic } from "../core/files.ts";
import { systemRandom } from "../core/random.ts";
import { type NodeBackup, writeIdentity } from "../identity/backupFile.ts";
import { loadNodeIdentity } from "../identity/nodeIdentity.ts";
import type { PartPlan } from "./plan.ts";

const stagedPath = (path: string): string => join(dirname(path), `.${basename(path)}.import`);

/** One step after the other; a crash is a caller that stops in between. Steps reject with ERR_STATE_WRITE. */
export async function* commitSteps(
  backup: NodeBackup,
  plans: readonly PartPlan[],
  journal: string,
): AsyncGenerator<string> {
  const changing = plans.filter(({ outcome }) => outcome !== "same");
  if (changing.length === 0) return;
  await mkdir(dirname(journal), { recursive: true, mode: 0o700 });
  for (const plan of changing) {
    await stage(backup, plan);
    yield `staged ${plan.name}`;
  }
  for (const plan of changing) checkStaged(backup, plan);
  const paths = changing.map(({ path }) => path);
  await writeForOwner(journal, `${JSON.stringify({ paths })}\n`, PRIVATE);
  yield "journal written";
  for (const path of paths) {
    await putInPlace(path, dirname(path));
    yield `renamed ${path}`;
  }
  await rm(journal);
  await syncFolder(dirname(journal));
}

export async function commit(backup: NodeBackup, plans: readonly PartPlan[], journal: string): Promise<void> {
  try {
    for await (const _ of commitSteps(backup, plans, journal));
  } catch (error) {
    // Without a journal nothing has changed.
    if (!isJournal(journal)) await Promise.all(plans.map(discard));
    throw error;
  }
}

/**
 * Finishes an import that was cut off; true when there was one. Rejects with ERR_STATE_WRITE, ERR_STATE_DAMAGED, ERR_STATE_PERMISSIONS.
 *
 * @param ours files that are replaced as root whatever folder they are in; the others that a service's user names are replaced as that user.
 */
export async function finishImport(journal: string, ours: readonly string[] = []): Promise<boolean> {
  const paths = journalOf(journal);
  if (paths === null) return false;
  for (const path of paths) await putInPlace(path, ours.includes(path) ? dirname(path) : dirname(journal));
  await rm(journal);
  await syncFolder(dirname(journal));
  return true;
}

function isJournal(journal: string): boolean {
  try {
    return journalOf(journal) !== null;
  } catch {
    return false;
  }
}

function journalOf(journal: string): readonly string[] | null {
  const text = asOwnerOf(dirname(journal), () => readSteeringFileSync(journal));
  if (text === null) return null;
  try {
    const { paths } = JSON.parse(text) as { paths: unknown };
    if (Array.isArray(paths) && paths.every((path) => typeof path === "string")) return paths;
  } catch {
    // Told below.
  }
  throw new WgmeshError("ERR_STATE_DAMAGED", `${journal} does not say which files an import was to replace`, {
    hint: "import the backup again, after removing that file",
  });
}

async function stage(backup: NodeBackup, { name, path, text }: PartPlan): Promise<void> {
  const staged = stagedPath(path);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(staged, { force: true });
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot write ${staged}: ${messageOf(cause)}`, { cause });
  }
  if (text === null) asOwnerOf(dirname(path), () => writeIdentity(backup, staged));
  else await writeForOwner(staged, text, name === "config" ? modeOf(path) : PRIVATE);
}

const PRIVATE = 0o600;
/** The configuration has no secret in it, and is read by a service's user. */
const PUBLIC = 0o644;

const modeOf = (path: string): number => (statSync(path, { throwIfNoEntry: false })?.mode ?? PUBLIC) & 0o777;

const writeForOwner = (path: string, text: string, mode: number): Promise<void> =>
  writeFileAtomic(path, text, mode, systemRandom, otherOwner(dirname(path)));

/** The disk has what was meant: it may have been full, or broken. */
function checkStaged(backup: NodeBackup, { path, text }: PartPlan): void {
  const staged = stagedPath(path);
  const right = asOwnerOf(dirname(path), () =>
    text === null
      ? loadNodeIdentity(staged).publicKey === backup.identity()?.publicKey
      : readFileSync(staged, "utf8") === text,
  );
  if (!right) throw new WgmeshError("ERR_STATE_WRITE", `${staged} is not what was written`);
}

/** As the owner of `folder`. No error when an earlier try has done it. */
async function putInPlace(path: string, folder: string): Promise<void> {
  try {
    asOwnerOf(folder, () => renameSync(stagedPath(path), path));
    await syncFolder(dirname(path));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new WgmeshError("ERR_STATE_WRITE", `cannot replace ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Takes a staged file away; the error that led here is the one to tell. */
async function discard({ path }: PartPlan): Promise<void> {
  await rm(stagedPath(path), { force: true }).catch(() => {});
}
