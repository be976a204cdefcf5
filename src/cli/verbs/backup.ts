import { lstatSync } from "node:fs";
import path from "node:path";
import { isatty } from "node:tty";
import type { Command } from "commander";
import type { MadeBackup } from "../../backup/make.ts";
import { PARTS, type PartName } from "../../backup/partNames.ts";
import { WgmeshError } from "../../core/errors.ts";
import { version } from "../../core/version.ts";
import type { BackupPassword } from "../../identity/backupFile.ts";
import { addBackupOptions, type BackupRequest, readBackupOptions, sealingPassword } from "../backupFiles.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

const STDOUT = 1;

/** What leaves a machine without being asked for has no key in it. */
const SHARED_PARTS = PARTS.filter((part) => part !== "identity");

/**
 * `wgmesh backup FILE` (row G6): all of a node in one file. Also while it runs, and without a daemon. The addon is loaded when it is
 * needed: help and mistakes are told where it cannot be.
 */
export function addBackup(program: Command, terminal: Terminal): void {
  const command = program
    .command("backup <file>")
    .description(
      "write the node's key, addresses, peers and settings to a file; the mesh secret is not in it",
    )
    .option("--seal", "seal it with a password, asked for on the terminal")
    .option("--force", "replace the file when it exists")
    .action(async (file: string) => {
      const request = readBackupOptions(command, terminal);
      const { seal, force } = command.opts<{ seal?: true; force?: true }>();
      const place = path.resolve(file);
      if (force !== true) refuseExisting(place);
      const password = await sealingPassword(request, seal === true);
      const made = await make(request, request.parts ?? new Set(PARTS), terminal);
      if (made.backup.parts.length === 0) throw nothingThere(request);
      const { writeBackup } = await import("../../identity/backupFile.ts");
      writeBackup(made.backup, place, password);
      terminal.out(reportOf(made, place, password, request));
    });
  addBackupOptions(command);
}

/** `wgmesh export`: chosen parts, to standard output or a file; the key only when it is named. */
export function addExport(program: Command, terminal: Terminal): void {
  const command = program
    .command("export")
    .description(
      "print the node's peers and settings, or the parts named, as a backup that 'wgmesh import' reads",
    )
    .option("-o, --output <file>", "write to this file in place of standard output")
    .option("--seal", "seal it with a password, asked for on the terminal")
    .action(async () => {
      const request = readBackupOptions(command, terminal);
      const { seal, output } = command.opts<{ seal?: true; output?: string }>();
      const parts = request.parts ?? new Set(SHARED_PARTS);
      const password = await sealingPassword(request, seal === true);
      if (output === undefined) refuseShowingKey(parts, password);
      const made = await make(request, parts, terminal);
      if (made.backup.parts.length === 0) throw nothingThere(request);
      const { printBackup, writeBackup } = await import("../../identity/backupFile.ts");
      if (output === undefined) {
        printBackup(made.backup, password);
      } else {
        const place = path.resolve(output);
        writeBackup(made.backup, place, password);
        terminal.out(reportOf(made, place, password, request));
      }
    });
  addBackupOptions(command);
}

async function make(
  { places, interfaceName, json }: BackupRequest,
  parts: ReadonlySet<PartName>,
  { clock, err }: Terminal,
): Promise<MadeBackup> {
  const { makeBackup } = await import("../../backup/make.ts");
  const facts = {
    made_at: new Date(clock.wallMs()).toISOString(),
    wgmesh: version,
    interface: interfaceName,
  };
  const made = await makeBackup(places, parts, facts);
  if (made.missing.includes("identity") && !json) {
    err(`wgmesh: warning: ${places.identity} does not exist, so the backup has no key\n`);
  }
  return made;
}

function reportOf(
  { backup }: MadeBackup,
  place: string,
  password: BackupPassword | null,
  { json }: BackupRequest,
): string {
  const sealed = password !== null;
  if (json) return jsonText({ file: place, parts: backup.parts, sealed });
  return `${place}: ${backup.parts.join(", ")}${sealed ? " (sealed)" : ""}\n`;
}

function refuseExisting(place: string): void {
  if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return;
  throw new WgmeshError("ERR_USAGE", `${place} exists already`, {
    hint: "name another file, or add --force",
  });
}

function refuseShowingKey(parts: ReadonlySet<PartName>, password: BackupPassword | null): void {
  if (!parts.has("identity") || password !== null || !isatty(STDOUT)) return;
  throw new WgmeshError("ERR_USAGE", "the private key would be shown on the terminal", {
    hint: "add --output FILE, --seal or --password-file",
  });
}

function nothingThere({ interfaceName, stateDir }: BackupRequest): WgmeshError {
  return new WgmeshError("ERR_BACKUP", `${stateDir} has no files of ${interfaceName}`, {
    hint: "name the node with --iface, and its folder with --state-dir",
  });
}
