import path from "node:path";
import type { Command } from "commander";
import { partMeaning } from "../../backup/partNames.ts";
import { journalPath } from "../../backup/parts.ts";
import type { ImportPlan, PartPlan } from "../../backup/plan.ts";
import { WgmeshError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { NodeBackup } from "../../identity/backupFile.ts";
import { addBackupOptions, type BackupRequest, readBackupOptions } from "../backupFiles.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** More lines of a part are counted, not shown. */
const MAX_LINES = 20;

/** `wgmesh import FILE` (row G6): checks all of a backup, shows what it changes, and applies all of it or nothing. */
export function addImport(program: Command, terminal: Terminal): void {
  const command = program
    .command("import <file>")
    .description("put a backup's files in place: all of them or none. The node must be stopped")
    .option("--dry-run", "only show what would change; also while the node runs")
    .option("--force", "also when the node has another key already, which is lost then")
    .action(async (file: string) => {
      const request = readBackupOptions(command, terminal);
      const { dryRun, force } = command.opts<{ dryRun?: true; force?: true }>();
      const backup = await open(path.resolve(file), request);
      if (dryRun === true) {
        const { planImport } = await import("../../backup/plan.ts");
        const plan = await planImport(backup, request.places, request.parts, terminal.clock.wallMs());
        show(plan, "would be", request, terminal);
        return;
      }
      const plan = await apply(backup, request, force === true, terminal);
      show(plan, "is", request, terminal);
    });
  addBackupOptions(command);
}

async function open(file: string, { passwordFile }: BackupRequest): Promise<NodeBackup> {
  const { askPassword, isSealed, passwordFrom, readBackup } = await import("../../identity/backupFile.ts");
  if (!isSealed(file)) return readBackup(file, null);
  return readBackup(file, passwordFile === null ? askPassword(false) : passwordFrom(passwordFile));
}

async function apply(
  backup: NodeBackup,
  request: BackupRequest,
  force: boolean,
  { clock }: Terminal,
): Promise<ImportPlan> {
  const [{ lockStateFiles }, { commit, finishImport }, { planImport }] = await Promise.all([
    import("../../daemon/alone.ts"),
    import("../../backup/commit.ts"),
    import("../../backup/plan.ts"),
  ]);
  const lock = lockStateFiles(request);
  try {
    const journal = journalPath(request);
    await finishImport(journal, [request.places.config]);
    const plan = await planImport(backup, request.places, request.parts, clock.wallMs());
    if (plan.replacesIdentity && !force) throw anotherKey(request);
    await commit(backup, plan.parts, journal);
    return plan;
  } finally {
    lock.release();
  }
}

function anotherKey({ places, interfaceName }: BackupRequest): WgmeshError {
  const message = `${interfaceName} has another key, in ${places.identity}, which would be lost: nothing was changed`;
  return new WgmeshError("ERR_USAGE", message, {
    hint: "back it up first; then add --force, or leave the key out with --part",
  });
}

function show(plan: ImportPlan, verb: string, request: BackupRequest, terminal: Terminal): void {
  if (plan.unknown.length > 0) {
    const names = plan.unknown.map((name) => JSON.stringify(name)).join(", ");
    const text = `the backup also has ${names}, which this release does not know: left out; keep the file for the release that made it`;
    terminal.err(`wgmesh: warning: ${printable(text)}\n`);
  }
  terminal.out(planText(plan, verb, request));
}

function planText({ parts, unknown }: ImportPlan, verb: string, { json }: BackupRequest): string {
  if (json) {
    const shown = parts.map(({ name, path: file, outcome, changes }) => ({
      part: name,
      file,
      outcome,
      changes,
    }));
    return jsonText({ applied: verb === "is", parts: shown, unknown });
  }
  return parts.map((part) => partText(part, verb)).join("");
}

function partText({ name, path: file, outcome, changes }: PartPlan, verb: string): string {
  const title = `${partMeaning[name]} (${name})`;
  if (outcome === "same") return `${title}: ${file} says the same\n`;
  const shown = changes.slice(0, MAX_LINES).map((line) => `  ${printable(line)}\n`);
  const more = changes.length - shown.length;
  if (more > 0) shown.push(`  and ${more} more\n`);
  return `${title}: ${file} ${verb} ${outcome === "new" ? "made" : "replaced"}\n${shown.join("")}`;
}
