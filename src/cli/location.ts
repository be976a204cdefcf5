/**
 * The options every verb has that talks to a daemon, and what they say together: which daemon, and how to reach it.
 */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { addOptions, readOptions } from "../config/flags.ts";
import type { OptionTable } from "../config/optionRow.ts";
import { type LocationOptions, locationOptions } from "../config/options.ts";
import { rpcSocketPath } from "../config/paths.ts";
import { type RemoteOptions, remoteOptions } from "../config/remoteOptions.ts";
import { isLoopback } from "../config/rpcOptions.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Endpoint } from "../core/types.ts";
import type { ClientOptions } from "../rpc/client.ts";
import { trustedUids } from "./serviceUser.ts";
import type { Terminal } from "./terminal.ts";

const options: OptionTable<LocationOptions & RemoteOptions> = { ...locationOptions, ...remoteOptions };

/** Adds `--iface`, `--run-dir`, `--socket-path`, `--server` with what belongs to it, and `--json`. */
export function addLocation(command: Command): Command {
  return addOptions(command, options).option("--json", "print JSON");
}

export interface Location extends LocationOptions {
  /** The local socket, also when `client` leads elsewhere. */
  readonly socket: string;
  /** For {@link RpcClient.connect} and {@link callOnce}: the local socket, or the server that was named. */
  readonly client: ClientOptions;
  /** The daemon is reached over the network: its processes and files are not here. */
  readonly remote: boolean;
  readonly json: boolean;
}

export function readLocation(command: Command, terminal: Terminal): Location {
  const read = readOptions(command, options, terminal.env);
  const { interfaceName, runDir, socketPath, server } = read;
  const location = { interfaceName, runDir, socketPath };
  const socket = rpcSocketPath(location);
  return {
    ...location,
    socket,
    client:
      server === null
        ? { socketPath: socket, trustedUids: trustedUids() }
        : remoteServer(server, read, terminal.env.WGMESH_TOKEN ?? ""),
    remote: server !== null,
    json: command.opts<{ json?: boolean }>().json === true,
  };
}

function remoteServer(server: Endpoint, options: RemoteOptions, variable: string): ClientOptions {
  const { tls, caCert, tokenFile } = options;
  const token = tokenFile === null ? variable.trim() : readText(tokenFile, "--token-file").trim();
  if (token === "") {
    throw new WgmeshError("ERR_USAGE", "--server: there is no token", {
      hint: "give --token-file FILE, or $WGMESH_TOKEN",
    });
  }
  if (!tls && !isLoopback(server.host)) {
    throw new WgmeshError(
      "ERR_USAGE",
      `--server: ${server.host} needs --tls: the token would travel readable`,
      {
        hint: "add --tls, and --ca-cert FILE unless its certificate is a public one",
      },
    );
  }
  const ca = caCert === null ? null : readText(caCert, "--ca-cert");
  return { server, tls: tls ? { ca } : null, token };
}

function readText(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `${source}: cannot read ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "name a file that you can read",
    });
  }
}
