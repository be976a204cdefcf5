/**
 * Makes a backup of a node's files. Each file is replaced by renames only, so a running node can be backed up.
 */
import { dirname } from "node:path";
import { asOwnerOf } from "../core/asOwner.ts";
import { readSteeringFileSync } from "../core/files.ts";
import { addIdentity, type NodeBackup, newBackup } from "../identity/backupFile.ts";
import { PARTS, type PartName } from "./partNames.ts";
import type { Places } from "./parts.ts";

/** Named in {@link FACTS} too. */
export interface BackupFacts {
  /** RFC 3339. */
  readonly made_at: string;
  readonly wgmesh: string;
  readonly interface: string;
}

export interface MadeBackup {
  readonly backup: NodeBackup;
  /** Parts that were asked for and that this node does not have. */
  readonly missing: readonly PartName[];
}

/** Rejects with ERR_STATE_* for a file that cannot be read or trusted. */
export async function makeBackup(
  places: Places,
  parts: ReadonlySet<PartName>,
  facts: BackupFacts,
): Promise<MadeBackup> {
  const backup = newBackup(facts);
  const missing: PartName[] = [];
  for (const part of PARTS) {
    if (!parts.has(part)) continue;
    const path = places[part];
    if (!asOwnerOf(dirname(path), () => addPart(backup, part, path))) missing.push(part);
  }
  return { backup, missing };
}

function addPart(backup: NodeBackup, part: PartName, path: string): boolean {
  if (part === "identity") return addIdentity(backup, path);
  const text = readSteeringFileSync(path);
  if (text === null) return false;
  backup.addText(part, text);
  return true;
}
