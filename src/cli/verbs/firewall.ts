import type { Command } from "commander";
import { loadConfiguration } from "../../config/configuration.ts";
import { addOptions, flagLayer, readOptions } from "../../config/flags.ts";
import { type OptionTable, value } from "../../config/optionRow.ts";
import {
  type DaemonOptions,
  daemonOptions,
  fileOptions,
  type LocationOptions,
  locationOptions,
  type SecretOptions,
  secretOptions,
} from "../../config/options.ts";
import { oneOf } from "../../config/values.ts";
import { unknownVariables } from "../../config/variables.ts";
import { FORMATS, type Format } from "../../firewall/found.ts";
import { firewallText } from "../../firewall/text.ts";
import { configFileOf, jsonAsked } from "../location.ts";
import { jsonText } from "../render.ts";
import { trustedUids } from "../serviceUser.ts";
import type { Terminal } from "../terminal.ts";

type NodeOptions = LocationOptions & Pick<DaemonOptions, "stateDir"> & Pick<SecretOptions, "secretFile">;

const nodeOptions: OptionTable<NodeOptions> = {
  ...locationOptions,
  stateDir: daemonOptions.stateDir,
  secretFile: secretOptions.secretFile,
};

const formatOptions: OptionTable<{ readonly format: Format | null }> = {
  format: {
    flag: "--format",
    group: "Process",
    help: `for this kind of firewall: ${FORMATS.join(", ")} (default: the one of this machine)`,
    default: null,
    form: value("KIND", oneOf(FORMATS)),
  },
};

/** `wgmesh firewall` (row G10): the rules a node needs, for an operator to read and to load; changes nothing. */
export function addFirewall(program: Command, terminal: Terminal): void {
  const command = program
    .command("firewall")
    .description("print the firewall rules that this node needs, to be loaded by you; changes nothing")
    .option("--json", "print JSON")
    .action(async () => {
      const { env } = terminal;
      const { format } = readOptions(command, formatOptions, {});
      const configuration = loadConfiguration({
        flags: flagLayer(command, nodeOptions),
        env,
        configFile: configFileOf(command, env),
        othersToo: true,
      });
      const { firewallReport } = await import("../../daemon/alone.ts");
      const request = { configuration, warnings: unknownVariables(env), env, trustedUids: trustedUids() };
      const { need, source, found, ruleset } = await firewallReport(request);
      const text = firewallText(format ?? found, need, ruleset);
      if (!jsonAsked(command)) return terminal.out(text);
      terminal.out(
        jsonText({
          interface: need.interfaceName,
          source,
          format: format ?? found,
          found,
          input: need.openings,
          forward: need.passages.map(({ answersOnly, ...passage }) => ({
            ...passage,
            answers_only: answersOnly,
          })),
          rules: text,
        }),
      );
    });
  addOptions(command, formatOptions);
  addOptions(command, nodeOptions);
  addOptions(command, fileOptions);
}
