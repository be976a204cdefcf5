/**
 * The options every verb has that talks to a daemon, and what they say together: which daemon, and how to reach it.
 */
import type { Command } from "commander";
import { loadConfiguration, loadLocation } from "../config/configuration.ts";
import { addOptions, flagLayer, readOptions } from "../config/flags.ts";
import type { OptionTable } from "../config/optionRow.ts";
import {
  type DaemonOptions,
  type FileOptions,
  fileOptions,
  type LocationOptions,
  locationOptions,
} from "../config/options.ts";
import { pidFilePath, rpcSocketPath } from "../config/paths.ts";
import { type RemoteOptions, remoteOptions } from "../config/remoteOptions.ts";
import { isLoopback } from "../config/rpcOptions.ts";
import { path } from "../config/values.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { readSecretFileSync, readSteeringFileSync } from "../core/files.ts";
import type { Endpoint } from "../core/types.ts";
import { identifyFromPidFile } from "../launch/processes.ts";
import type { ClientOptions } from "../rpc/client.ts";
import { withProgress } from "./progress.ts";
import { trustedUids } from "./serviceUser.ts";
import type { Terminal } from "./terminal.ts";

/** How long a call waits for a daemon that restarts. */
const RESTART_MS = 5000;

const options: OptionTable<LocationOptions & FileOptions & RemoteOptions> = {
  ...locationOptions,
  ...fileOptions,
  ...remoteOptions,
};

/** Adds `--iface`, `--run-dir`, `--socket-path`, `--config`, `--server` with what belongs to it, and `--json`. */
export function addLocation(command: Command): Command {
  return addOptions(command, options).option("--json", "print JSON");
}

/** `--config`, else `$WGMESH_CONFIG`, else null. Throws ERR_USAGE. */
export function configFileOf(command: Command, env: Terminal["env"]): string | null {
  const { configFile } = readOptions(command, fileOptions, {});
  if (configFile !== null || !env.WGMESH_CONFIG) return configFile;
  return path(env.WGMESH_CONFIG, "$WGMESH_CONFIG");
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
  const read = readOptions(command, remoteOptions, terminal.env);
  const { server } = read;
  const location = loadLocation({
    flags: flagLayer(command, locationOptions),
    env: terminal.env,
    configFile: configFileOf(command, terminal.env),
  });
  const socket = rpcSocketPath(location);
  return {
    ...location,
    socket,
    client: {
      ...(server === null
        ? { socketPath: socket, trustedUids: trustedUids(), retryMs: retryMs(location) }
        : remoteServer(server, read, terminal.env.WGMESH_TOKEN ?? "")),
      waiting: (run) => withProgress(terminal, "waiting for the daemon", run),
    },
    remote: server !== null,
    json: jsonAsked(command),
  };
}

/** What a daemon that is gone was configured to, for who looks for its files. What is wrong with its file does not count. */
export function readDaemonOptions(
  command: Command,
  flags: OptionTable<Partial<DaemonOptions>>,
  { env }: Terminal,
): DaemonOptions {
  return loadConfiguration({
    flags: new Map([...flagLayer(command, locationOptions), ...flagLayer(command, flags)]),
    env,
    configFile: configFileOf(command, env),
    othersToo: true,
  }).options;
}

/** A daemon that lives and does not answer starts, or restarts; where there is none, waiting brings none. */
function retryMs(location: LocationOptions): number {
  return identifyFromPidFile(pidFilePath(location)) === null ? 0 : RESTART_MS;
}

function remoteServer(server: Endpoint, options: RemoteOptions, variable: string): ClientOptions {
  const { tls, caCert, tokenFile } = options;
  const token =
    tokenFile === null ? variable.trim() : readFile(tokenFile, "--token-file", readSecretFileSync).trim();
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
  const ca = caCert === null ? null : readFile(caCert, "--ca-cert", readSteeringFileSync);
  return { server, tls: tls ? { ca } : null, token };
}

/** Neither may be another's: whoever writes the certificate says whom the token goes to. */
function readFile(path: string, source: string, read: (path: string) => string | null): string {
  try {
    const text = read(path);
    if (text !== null) return text;
  } catch (cause) {
    const open = cause instanceof WgmeshError && cause.code === "ERR_STATE_PERMISSIONS";
    throw new WgmeshError(open ? cause.code : "ERR_USAGE", `${source}: ${messageOf(cause)}`, {
      cause,
      hint: open ? `chown it to yourself, and chmod 600 ${path}` : "name a file that you can read",
    });
  }
  throw new WgmeshError("ERR_USAGE", `${source}: ${path} does not exist`, {
    hint: "name a file that you can read",
  });
}

export const jsonAsked = (command: Command): boolean => command.opts<{ json?: boolean }>().json === true;
