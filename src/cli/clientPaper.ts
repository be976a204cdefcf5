/**
 * Where the configuration of a client goes: standard output, or a new file.
 */
import { lstatSync } from "node:fs";
import type { Command } from "commander";
import { WgmeshError } from "../core/errors.ts";
import type { ClientResult } from "../rpc/client.ts";
import type { Chosen } from "./clientChoice.ts";
import { writeNewFile } from "./newFile.ts";
import { jsonText } from "./render.ts";
import type { Terminal } from "./terminal.ts";

export interface ClientPaper {
  /** Null for standard output. */
  readonly output: string | null;
  readonly json: boolean;
}

/** Adds `--output`. */
export function addClientPaper(command: Command): Command {
  return command.option("-o, --output <file>", "write the configuration to this new file, mode 0600");
}

/** Throws ERR_USAGE for what cannot be shown so, before anything is done. */
export function readClientPaper(command: Command): ClientPaper {
  const { output = null, json = false } = command.opts<{ output?: string; json?: boolean }>();
  if (output !== null && lstatSync(output, { throwIfNoEntry: false }) !== undefined) {
    throw new WgmeshError("ERR_USAGE", `--output: ${output} exists already`, {
      hint: "name a file that is not there yet",
    });
  }
  return { output, json };
}

/** All of it, or an error and no file. Throws ERR_USAGE. */
export function showConfiguration(
  text: string,
  client: ClientResult,
  { endpoint, allowedIps, warnings }: Chosen,
  { output, json }: ClientPaper,
  terminal: Terminal,
): void {
  if (output !== null) writeNewFile(output, text);
  if (json) {
    const paper = output === null ? { configuration: text } : { file: output };
    terminal.out(jsonText({ client, endpoint, allowed_ips: allowedIps, warnings, ...paper }));
    return;
  }
  terminal.out(output === null ? text : `${output}: the configuration of ${client.name}\n`);
  for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
}
