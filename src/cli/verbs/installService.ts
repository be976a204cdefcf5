import { closeSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { parseConfigText } from "../../config/configFile.ts";
import { wholeProblems } from "../../config/configuration.ts";
import { addOptions, flagLayer } from "../../config/flags.ts";
import { tomlOf } from "../../config/kept.ts";
import { type Layer, optionsOf, settingsOf } from "../../config/layers.ts";
import {
  type DaemonOptions,
  daemonOptions,
  type LocationOptions,
  locationOptions,
  type SecretOptions,
  secretOptions,
} from "../../config/options.ts";
import { pidFilePath } from "../../config/paths.ts";
import { refuse } from "../../config/problem.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { InterfaceName } from "../../core/types.ts";
import { identifyFromPidFile } from "../../launch/processes.ts";
import { type ServiceHost, serviceHost } from "../../service/host.ts";
import { installLaunchd, uninstallLaunchd } from "../../service/launchd.ts";
import { plistText } from "../../service/plist.ts";
import { type Programs, programProblem } from "../../service/programs.ts";
import {
  configPath,
  installSystemd,
  secretPath,
  type Undo,
  uninstallSystemd,
} from "../../service/systemd.ts";
import { capabilitiesDropIn, unitName, unitText } from "../../service/unit.ts";
import { programPath } from "../programPath.ts";
import { withNotice } from "../progress.ts";
import type { Terminal } from "../terminal.ts";

/** A service has its files where its rules allow them. */
const PLACES = ["--state-dir", "--run-dir", "--socket-path", "--pid-file", "--log-file", "--daemon"];

const onMac = process.platform === "darwin";

/** `wgmesh install-service` (row G9). */
export function addInstallService(program: Command, terminal: Terminal): void {
  const command = program
    .command("install-service")
    .description("run the daemon as a service of this machine, from now on and after each boot")
    .action(async () => {
      const { root, print } = placeOf(command);
      const { flags, secretFlags, interfaceName } = readFlags(command);
      const programs = ownPrograms();
      if (print) return terminal.out(printed(interfaceName, programs));
      const host = serviceHost(root);
      if (root === "") refuseUnfit(programs);
      const { config, options } = configure(host, interfaceName, flags, secretFlags);
      const unit = unitName(interfaceName);
      if (root === "" && !onMac) refuseOther(options, unit, host);
      const installation = {
        interfaceName,
        programs,
        config,
        capabilities: capabilitiesDropIn(options),
        secret: await secretOf(host, interfaceName, secretFlags, terminal),
      };
      const install = onMac ? installLaunchd : installSystemd;
      await withNotice(terminal, "starting the service", () => install(host, installation));
      terminal.out(
        root === "" ? `${interfaceName}: ${unit} runs\n` : `${interfaceName}: installed below ${root}\n`,
      );
    });
  addOptions(command, daemonOptions);
  addOptions(command, secretOptions);
  addPlace(command).option("--print", "print the unit and do nothing");
}

/** `wgmesh uninstall-service` (row G9). */
export function addUninstallService(program: Command, terminal: Terminal): void {
  const command = program
    .command("uninstall-service")
    .description("stop the service and take it away; key, configuration and secret stay, unless --purge")
    .option("--purge", "remove these too: the node comes back as another one")
    .action(async () => {
      const { root } = placeOf(command);
      if (root === "") refuseOrdinary();
      const { interfaceName } = optionsOf(
        locationOptions,
        settingsOf(locationOptions, [
          flagLayer<Pick<LocationOptions, "interfaceName">>(command, interfaceOption),
        ]),
      );
      const purge = command.opts<{ purge?: true }>().purge === true;
      const remove = onMac ? uninstallLaunchd : uninstallSystemd;
      const undo: Undo = async (runDir) => {
        if (root !== "") return;
        const { undoLeftovers } = await import("../../daemon/alone.ts");
        await undoLeftovers({ interfaceName, runDir });
      };
      const { installed, kept } = await withNotice(terminal, "stopping the service", () =>
        remove(serviceHost(root), interfaceName, purge, undo),
      );
      terminal.out(`${interfaceName}: ${installed ? "the service is gone" : "there was no service"}\n`);
      if (kept.length > 0) terminal.out(`kept: ${kept.join(", ")}\n`);
    });
  addOptions(command, interfaceOption);
  addPlace(command);
}

const interfaceOption = { interfaceName: locationOptions.interfaceName };

const addPlace = (command: Command): Command =>
  command.option("--root <DIR>", "work on the files below DIR, another machine's, and start nothing");

function placeOf(command: Command): { root: string; print: boolean } {
  const { root = "", print = false } = command.opts<{ root?: string; print?: true }>();
  return { root: root === "" ? "" : resolve(root), print };
}

function readFlags(command: Command): { flags: Layer; secretFlags: Layer; interfaceName: InterfaceName } {
  const flags = flagLayer<DaemonOptions>(command, daemonOptions);
  for (const { origin } of flags.values()) {
    if (origin.kind !== "flag" || !PLACES.includes(origin.flag)) continue;
    throw new WgmeshError("ERR_USAGE", `${origin.flag} is not for a service: its files have their places`, {
      hint: "leave it out; the log is in the journal: 'journalctl -u wgmesh@<interface>'",
    });
  }
  const { interfaceName } = optionsOf(daemonOptions, settingsOf(daemonOptions, [flags]));
  return { flags, secretFlags: flagLayer<SecretOptions>(command, secretOptions), interfaceName };
}

function ownPrograms(): Programs {
  return { node: process.execPath, wgmeshd: programPath("wgmeshd"), wgmesh: programPath("wgmesh") };
}

function printed(interfaceName: InterfaceName, programs: Programs): string {
  return onMac ? plistText(interfaceName, programs, secretPath(interfaceName)) : unitText(programs);
}

function refuseOrdinary(): void {
  if (process.geteuid?.() === 0) return;
  throw new WgmeshError("ERR_PERMISSION", "only root can change the services of this machine", {
    hint: "run it with sudo",
  });
}

function refuseUnfit(programs: Programs): void {
  refuseOrdinary();
  if (onMac) return;
  if (!serviceHost("").exists("/run/systemd/system")) {
    throw new WgmeshError("ERR_SYSTEM", "this machine was not started by systemd", {
      hint: "start 'wgmeshd --iface NAME --secret-file FILE' by the service manager that it has",
    });
  }
  for (const path of Object.values(programs)) {
    const problem = programProblem(path, (name) => statSync(name).mode);
    if (problem !== null) {
      throw new WgmeshError("ERR_SYSTEM", problem, {
        hint: "install Node.js and wgmesh for all users, below /usr or /opt",
      });
    }
  }
}

/** A daemon of 'wgmesh up' holds the interface. One of the service itself, even one that is just starting, gives way. */
function refuseOther(options: DaemonOptions, unit: string, host: ServiceHost): void {
  const running = identifyFromPidFile(pidFilePath(options));
  if (running === null || (host.read(`/proc/${running.pid}/cgroup`) ?? "").includes(`/${unit}`)) return;
  throw new WgmeshError(
    "ERR_ALREADY_RUNNING",
    `a daemon of ${options.interfaceName} runs already (PID ${running.pid})`,
    { hint: `stop it with 'wgmesh down --iface ${options.interfaceName}', then install the service` },
  );
}

/** What the file is to say, and the options that count then. Throws for what is wrong with either. */
function configure(
  host: ServiceHost,
  interfaceName: InterfaceName,
  flags: Layer,
  secretFlags: Layer,
): { config: string | null; options: DaemonOptions } {
  const path = configPath(interfaceName);
  const ofFile = new Map([...flags, ...secretFlags]);
  for (const key of ["interface", "secret", "secret-file"]) ofFile.delete(key);
  const before = host.read(path);
  if (before !== null && ofFile.size > 0) {
    throw new WgmeshError("ERR_USAGE", `${path} is there already, and options were given too`, {
      hint: "write them into the file, or move it away",
    });
  }
  const { settings, problems } =
    before === null ? { settings: ofFile, problems: [] } : parseConfigText(before, path, "file");
  const all = settingsOf(daemonOptions, [flags, settings]);
  const options = optionsOf(daemonOptions, all);
  refuse([...problems, ...wholeProblems(options, all)]);
  const header = `# The node of ${interfaceName}, made by 'wgmesh install-service'; 'wgmesh config sample' prints all there is to set.\n`;
  return { config: ofFile.size === 0 ? null : header + tomlOf(ofFile), options };
}

/** The bytes of the secret's file; null to leave the one that is there. */
async function secretOf(
  host: ServiceHost,
  interfaceName: InterfaceName,
  secretFlags: Layer,
  terminal: Terminal,
): Promise<Uint8Array | null> {
  const asked = optionsOf(secretOptions, settingsOf(secretOptions, [secretFlags]));
  const isGiven = asked.secret !== null || asked.secretFile !== null;
  if (!isGiven && host.exists(secretPath(interfaceName))) return null;
  const { openMeshSecret } = await import("../../identity/meshSecret.ts");
  const { secret, warnings } = openMeshSecret(asked);
  for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
  const pipe = secret.toPipe();
  try {
    return readFileSync(pipe);
  } finally {
    closeSync(pipe);
  }
}
