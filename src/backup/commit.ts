/**
 * Puts the files of an import in place: all of them or none, whenever the process or the machine dies.
 *
 * Every file is written beside its place first. Then a journal names them all; from that instant on the import counts, and whoever
 * comes next (the next import, or the start of the daemon) finishes the renames of one that was cut off.
 */
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSteeringFile, syncFolder, writeFileAtomic } from "../core/files.ts";
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
  for (const plan of changing) await checkStaged(backup, plan);
  const paths = changing.map(({ path }) => path);
  await writeFileAtomic(journal, `${JSON.stringify({ paths })}\n`, 0o600);
  yield "journal written";
  for (const path of paths) {
    await putInPlace(path);
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
    if ((await journalOf(journal).catch(() => null)) === null) await Promise.all(plans.map(discard));
    throw error;
  }
}

/** Finishes an import that was cut off; true when there was one. Rejects with ERR_STATE_WRITE, ERR_STATE_DAMAGED, ERR_STATE_PERMISSIONS. */
export async function finishImport(journal: string): Promise<boolean> {
  const paths = await journalOf(journal);
  if (paths === null) return false;
  for (const path of paths) await putInPlace(path);
  await rm(journal);
  await syncFolder(dirname(journal));
  return true;
}

async function journalOf(journal: string): Promise<readonly string[] | null> {
  const text = await readSteeringFile(journal);
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

async function stage(backup: NodeBackup, { path, text }: PartPlan): Promise<void> {
  const staged = stagedPath(path);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(staged, { force: true });
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", `cannot write ${staged}: ${messageOf(cause)}`, { cause });
  }
  if (text === null) writeIdentity(backup, staged);
  else await writeFileAtomic(staged, text, 0o600);
}

/** The disk has what was meant: it may have been full, or broken. */
async function checkStaged(backup: NodeBackup, { path, text }: PartPlan): Promise<void> {
  const staged = stagedPath(path);
  const right =
    text === null
      ? loadNodeIdentity(staged).publicKey === backup.identity()?.publicKey
      : (await readFile(staged, "utf8")) === text;
  if (!right) throw new WgmeshError("ERR_STATE_WRITE", `${staged} is not what was written`);
}

/** No error when an earlier try has done it. */
async function putInPlace(path: string): Promise<void> {
  try {
    await rename(stagedPath(path), path);
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
