/**
 * The options every verb has that talks to a daemon, and the call itself.
 */
import type { Command } from "commander";
import { addOptions, readOptions } from "../config/flags.ts";
import { type LocationOptions, locationOptions } from "../config/options.ts";
import { rpcSocketPath } from "../config/paths.ts";
import type { Terminal } from "./terminal.ts";

/** Adds `--iface`, `--run-dir`, `--socket-path` and `--json`. */
export function addLocation(command: Command): Command {
  return addOptions(command, locationOptions).option("--json", "print JSON");
}

export interface Location extends LocationOptions {
  readonly socket: string;
  readonly json: boolean;
}

export function readLocation(command: Command, terminal: Terminal): Location {
  const options = readOptions(command, locationOptions, terminal.env);
  return {
    ...options,
    socket: rpcSocketPath(options),
    json: command.opts<{ json?: boolean }>().json === true,
  };
}
