/**
 * The command line of `wgmeshd`: check everything, then open the daemon and serve until it ends.
 */
import type { Command } from "commander";
import { commandLineOf } from "../config/commandLine.ts";
import { type Configuration, type ConfigurationSources, loadConfiguration } from "../config/configuration.ts";
import { addNotBuiltFlags, addOptions, flagLayer, refuseNotBuiltFlags } from "../config/flags.ts";
import { daemonOptions, fileOptions, secretOptions } from "../config/options.ts";
import { refuse } from "../config/problem.ts";
import { ExitCode } from "../core/errors.ts";
import { exitCodesText, makeCommand, runCommand } from "./command.ts";
import { configFileOf } from "./location.ts";
import type { Terminal } from "./terminal.ts";

const sources = `
Each option but --secret also has a variable: --listen-port is $WGMESH_LISTEN_PORT, --no-dht is $WGMESH_DHT=false; lists have commas
between. Options marked [live] can be changed while the daemon runs.

The secret comes from the first of these that is there: --secret, --secret-file, $WGMESH_SECRET, $WGMESH_SECRET_FILE,
the configuration file, a systemd credential named wgmesh.secret or secret, a prompt.
`;

const examples = `
Examples:
  wgmesh init > mesh.secret                                 make a secret once (umask 077), copy it to each machine
  wgmeshd --iface wg0 --secret-file mesh.secret             join the mesh on this LAN
  wgmeshd --secret-file mesh.secret --peer 203.0.113.7      join through a node elsewhere
  wgmeshd --secret-file mesh.secret --advertise-routes 192.168.10.0/24
  wgmeshd --secret-file mesh.secret --daemon --log-file /var/log/wgmesh.log
`;

/** What the daemon is started with. */
export interface DaemonRequest extends Pick<Configuration, "options" | "secret"> {
  /** With the options again, where each comes from, and what a reload reads anew. */
  readonly configuration: Configuration;
  readonly sources: ConfigurationSources;
  /** What another process is started with to be this daemon (config/commandLine.ts). */
  readonly commandLine: readonly string[];
}

/** Starts a daemon and resolves to the process's exit code once it has ended. */
export type StartDaemon = (request: DaemonRequest, terminal: Terminal) => Promise<ExitCode>;

export function daemonCommand(terminal: Terminal): Command {
  const command = makeCommand("wgmeshd", terminal)
    .usage("--iface NAME [options]")
    .description(
      "Joins this machine to the mesh of its secret; in the foreground, or with --daemon in the background.",
    )
    .allowExcessArguments(false)
    .addHelpText("after", sources + exitCodesText() + examples);
  addRequestOptions(command);
  return command.option("-v, --version", "print the version");
}

/** Every option that {@link readRequest} reads. */
export function addRequestOptions(command: Command): Command {
  addOptions(command, daemonOptions);
  addOptions(command, secretOptions);
  addOptions(command, fileOptions);
  return addNotBuiltFlags(command);
}

/** Reads the command line, the environment and the configuration file. Throws a WgmeshError; changes nothing. */
export function readRequest(command: Command, env: Terminal["env"]): DaemonRequest {
  refuseNotBuiltFlags(command);
  const flags = new Map([...flagLayer(command, daemonOptions), ...flagLayer(command, secretOptions)]);
  const sources = { flags, env, configFile: configFileOf(command, env) };
  const configuration = loadConfiguration(sources);
  refuse(configuration.problems);
  const { options, secret } = configuration;
  return { options, secret, configuration, sources, commandLine: commandLineOf(sources) };
}

export async function runDaemon(
  args: readonly string[],
  terminal: Terminal,
  start: StartDaemon,
): Promise<ExitCode> {
  let ended: ExitCode = ExitCode.ok;
  const command = daemonCommand(terminal).action(async () => {
    ended = await start(readRequest(command, terminal.env), terminal);
  });
  const failed = await runCommand(command, args, terminal);
  return failed === ExitCode.ok ? ended : failed;
}
