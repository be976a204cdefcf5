/**
 * What `backup`, `export` and `import` share: which node's files, which parts, which password.
 */
import { join } from "node:path";
import type { Command } from "commander";
import { PARTS, type PartName, partMeaning } from "../backup/partNames.ts";
import { type Places, placesOf } from "../backup/parts.ts";
import { CONFIG_FOLDER, loadConfiguration } from "../config/configuration.ts";
import { addOptions, flagLayer } from "../config/flags.ts";
import type { OptionTable } from "../config/optionRow.ts";
import { type DaemonOptions, daemonOptions, fileOptions } from "../config/options.ts";
import { WgmeshError } from "../core/errors.ts";
import type { BackupPassword } from "../identity/backupFile.ts";
import { configFileOf, jsonAsked } from "./location.ts";
import type { Terminal } from "./terminal.ts";

type NodeFiles = Pick<DaemonOptions, "interfaceName" | "stateDir">;

const options: OptionTable<NodeFiles> = {
  interfaceName: daemonOptions.interfaceName,
  stateDir: daemonOptions.stateDir,
};

export interface BackupRequest extends NodeFiles {
  readonly places: Places;
  /** Null when none was named. */
  readonly parts: ReadonlySet<PartName> | null;
  readonly passwordFile: string | null;
  readonly json: boolean;
}

/** Adds `--iface`, `--state-dir`, `--config`, `--part`, `--password-file` and `--json`. */
export function addBackupOptions(command: Command): Command {
  const parts = PARTS.map((part) => `${part} (${partMeaning[part]})`).join(", ");
  addOptions(command, options);
  addOptions(command, fileOptions);
  return command
    .option(
      "--part <name>",
      `only this part; may be repeated: ${parts}`,
      (word: string, before?: string[]) => [...(before ?? []), word],
    )
    .option("--password-file <file>", "read the password from a file only its owner can read, or '-'")
    .option("--json", "print JSON");
}

/** Throws ERR_USAGE. What is wrong with the configuration does not count: a backup may be what mends it. */
export function readBackupOptions(command: Command, { env }: Terminal): BackupRequest {
  const flags = flagLayer(command, options);
  const configFile = configFileOf(command, env);
  const { options: node, file } = loadConfiguration({ flags, env, configFile, othersToo: true });
  const { part, passwordFile } = command.opts<{ part?: string[]; passwordFile?: string }>();
  return {
    interfaceName: node.interfaceName,
    stateDir: node.stateDir,
    places: placesOf(node, file ?? join(CONFIG_FOLDER, `${node.interfaceName}.toml`)),
    parts: part === undefined ? null : new Set(part.map(partNamed)),
    passwordFile: passwordFile ?? null,
    json: jsonAsked(command),
  };
}

function partNamed(name: string): PartName {
  const found = PARTS.find((part) => part === name);
  if (found !== undefined) return found;
  throw new WgmeshError("ERR_USAGE", `--part: ${JSON.stringify(name)} is no part of a backup`, {
    hint: `use ${PARTS.join(", ")}`,
  });
}

/** To seal with: the file's, or asked for twice when `ask`; else none. */
export async function sealingPassword(
  { passwordFile }: BackupRequest,
  ask: boolean,
): Promise<BackupPassword | null> {
  const { askPassword, passwordFrom } = await import("../identity/backupFile.ts");
  if (passwordFile !== null) return passwordFrom(passwordFile);
  return ask ? askPassword(true) : null;
}
