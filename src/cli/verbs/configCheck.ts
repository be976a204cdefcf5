import type { Command } from "commander";
import { type Configuration, loadConfiguration } from "../../config/configuration.ts";
import { flagLayer } from "../../config/flags.ts";
import { locationOptions } from "../../config/options.ts";
import type { Problem } from "../../config/problem.ts";
import { path } from "../../config/values.ts";
import { unknownVariables } from "../../config/variables.ts";
import { WgmeshError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { addLocation, configFileOf, jsonAsked } from "../location.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh config check`: all that is wrong, at once. Ends with the exit code of the first problem. */
export function addConfigCheck(config: Command, terminal: Terminal): void {
  const command = config
    .command("check")
    .argument("[file]", "in place of the one that wgmeshd would read")
    .description("check the configuration file, the variables and the kept settings; tells all that is wrong")
    .action((file: string | undefined) => {
      const configuration = readConfiguration(command, terminal, file);
      const warnings = unknownVariables(terminal.env);
      if (jsonAsked(command)) terminal.out(jsonText(checkResult(configuration, warnings)));
      for (const warning of warnings) terminal.err(`wgmesh: warning: ${printable(warning)}\n`);
      report(configuration, jsonAsked(command), terminal);
    });
  addLocation(command);
}

/** What wgmeshd would be configured to do, as far as files and environment tell; collects what is wrong. */
export function readConfiguration(command: Command, terminal: Terminal, file?: string): Configuration {
  const configFile = file === undefined ? configFileOf(command, terminal.env) : path(file, "FILE");
  const flags = flagLayer(command, locationOptions);
  return loadConfiguration({ flags, env: terminal.env, configFile, othersToo: true });
}

const checkResult = ({ file, problems }: Configuration, warnings: readonly string[]): object => ({
  file,
  problems: problems.map(({ message, hint }) => ({ message, hint })),
  warnings,
});

/** Throws the last problem, so that it is told and ends the command as any error does. */
function report({ file, problems }: Configuration, json: boolean, terminal: Terminal): void {
  const [first] = problems;
  if (first === undefined) {
    const place =
      file === null ? "there is no configuration file; variables and kept settings are" : `${file} is`;
    if (!json) terminal.out(`${place} right\n`);
    return;
  }
  for (const problem of problems.slice(0, -1)) terminal.err(problemText(problem));
  const last = problems.at(-1) ?? first;
  throw new WgmeshError(last.code, last.message, { hint: last.hint });
}

const problemText = ({ message, hint }: Problem): string =>
  `wgmesh: ${printable(message)}\nhint: ${printable(hint)}\n`;
