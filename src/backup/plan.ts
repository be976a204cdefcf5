/**
 * What an import would do, all of it checked before anything is changed.
 */
import { dirname } from "node:path";
import { asOwnerOf } from "../core/asOwner.ts";
import { WgmeshError } from "../core/errors.ts";
import { readSteeringFileSync } from "../core/files.ts";
import type { NodeBackup } from "../identity/backupFile.ts";
import { loadNodeIdentity } from "../identity/nodeIdentity.ts";
import { FACTS, PARTS, type PartName } from "./partNames.ts";
import { type Places, textParts } from "./parts.ts";

export interface PartPlan {
  readonly name: PartName;
  readonly path: string;
  readonly outcome: "new" | "same" | "changed";
  /** For a person; of a part that is new, what comes with it. */
  readonly changes: readonly string[];
  /** Null for the identity, which only the addon sees. */
  readonly text: string | null;
}

export interface ImportPlan {
  readonly parts: readonly PartPlan[];
  /** What the backup has beside them that this release does not know, parts and others, by name: it is left out. */
  readonly unknown: readonly string[];
  /** The node has another key pair, which the import would do away with. */
  readonly replacesIdentity: boolean;
}

/**
 * @param wanted null takes all that the backup has.
 * @param nowMs Unix time.
 *
 * Rejects with ERR_BACKUP, naming everything that is wrong; with ERR_STATE_* when a file that is there cannot be read.
 */
export async function planImport(
  backup: NodeBackup,
  places: Places,
  wanted: ReadonlySet<PartName> | null,
  nowMs: number,
): Promise<ImportPlan> {
  const present = backup.parts.filter(isPart);
  const lacking = [...(wanted ?? [])].filter((part) => !present.includes(part));
  if (lacking.length > 0) {
    const found = present.length === 0 ? "nothing" : present.join(", ");
    throw new WgmeshError("ERR_BACKUP", `the backup has no part ${lacking.join(", ")}; it has ${found}`, {
      hint: "choose others with --part, or leave it out for all",
    });
  }
  const chosen = PARTS.filter((part) => present.includes(part) && (wanted?.has(part) ?? true));
  refuseBad(backup, chosen, nowMs);
  const parts: PartPlan[] = [];
  for (const part of chosen) {
    const path = places[part];
    parts.push(part === "identity" ? planIdentity(backup, path) : planText(backup, part, path, nowMs));
  }
  const replacesIdentity = parts.some(({ name, outcome, changes }) => {
    return name === "identity" && outcome === "changed" && changes.some((line) => line.startsWith("key "));
  });
  return { parts, unknown: unknownIn(backup), replacesIdentity };
}

/** A newer release may add parts, and facts, without another version: who knows neither loses nothing else. */
function unknownIn(backup: NodeBackup): string[] {
  const facts = Object.keys(JSON.parse(backup.facts) as object).filter((name) => !FACTS.includes(name));
  return [...backup.parts.filter((name) => !isPart(name)), ...facts];
}

const isPart = (name: string): name is PartName => (PARTS as readonly string[]).includes(name);

function refuseBad(backup: NodeBackup, parts: readonly PartName[], nowMs: number): void {
  const problems = parts.flatMap((part) => {
    // The addon has checked the identity.
    if (part === "identity") return [];
    const problem = textParts[part].problem(backup.text(part) ?? "", nowMs);
    return problem === null ? [] : [`${part}: ${problem}`];
  });
  if (problems.length === 0) return;
  throw new WgmeshError("ERR_BACKUP", `the backup cannot be used: ${problems.join("; ")}`, {
    hint: "nothing was changed; leave that part out with --part",
  });
}

function planIdentity(backup: NodeBackup, path: string): PartPlan {
  const common = { name: "identity", path, text: null } as const;
  const fresh = backup.identity();
  if (fresh === null) throw new TypeError("the part was listed");
  const known = asOwnerOf(dirname(path), () => loadNodeIdentity(path));
  const now = [fresh.publicKey, fresh.meshIp ?? "none", fresh.meshIpv6 ?? "none"];
  if (known.created) {
    return { ...common, outcome: "new", changes: [`key ${now[0]}`, `mesh addresses ${now[1]}, ${now[2]}`] };
  }
  const before = [known.publicKey, known.meshIp ?? "none", known.meshIpv6 ?? "none"];
  const names = ["key", "mesh IPv4", "mesh IPv6"];
  const changes = names.flatMap((name, index) =>
    before[index] === now[index] ? [] : [`${name} ${before[index]} becomes ${now[index]}`],
  );
  return { ...common, outcome: changes.length === 0 ? "same" : "changed", changes };
}

function planText(
  backup: NodeBackup,
  name: Exclude<PartName, "identity">,
  path: string,
  nowMs: number,
): PartPlan {
  const text = backup.text(name) ?? "";
  const before = asOwnerOf(dirname(path), () => readSteeringFileSync(path));
  const changes = textParts[name].changes(before ?? "", text, nowMs);
  if (before === null) return { name, path, text, outcome: "new", changes };
  return { name, path, text, outcome: before.trim() === text.trim() ? "same" : "changed", changes };
}
