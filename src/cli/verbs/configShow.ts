import type { Command } from "commander";
import { type PlainValue, valueText } from "../../config/layers.ts";
import { shownSettings } from "../../config/shown.ts";
import { WgmeshError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { type ConfigResult, callOnce } from "../../rpc/client.ts";
import { addLocation, jsonAsked, readLocation } from "../location.ts";
import { jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { readConfiguration } from "./configCheck.ts";

/** `wgmesh config show`: each value with its origin; of the running daemon, else of what it would start with. */
export function addConfigShow(config: Command, terminal: Terminal): void {
  const command = config
    .command("show")
    .description("each setting with where its value comes from; without a daemon, what it would start with")
    .action(async () => {
      const { client, remote } = readLocation(command, terminal);
      const running = await callOnce(client, "config.get").catch((error: unknown) => {
        if (remote) throw error;
        return nullWithoutDaemon(error);
      });
      const result = running ?? withoutDaemon(command, terminal);
      if (jsonAsked(command)) terminal.out(jsonText({ running: running !== null, ...result }));
      else terminal.out(settingsText(result, running !== null, terminal));
    });
  addLocation(command);
}

function nullWithoutDaemon(error: unknown): null {
  if (error instanceof WgmeshError && error.code === "ERR_NOT_RUNNING") return null;
  throw error;
}

function withoutDaemon(command: Command, terminal: Terminal): ConfigResult {
  const { file, keptFile, settings, problems } = readConfiguration(command, terminal);
  for (const { message } of problems) terminal.err(`wgmesh: warning: ${printable(message)}\n`);
  return { file, kept_file: keptFile, settings: shownSettings(settings, settings) };
}

function settingsText(result: ConfigResult, running: boolean, { columns }: Terminal): string {
  const rows = result.settings.map(({ key, value, from, change, next }) => [
    key,
    shownText(value) + (next === undefined ? "" : ` (after a restart: ${shownText(next)})`),
    from,
    change,
  ]);
  const subject = running ? "the running daemon" : "no daemon runs: what one would start with";
  const file = result.file ?? "no configuration file";
  return `${subject}; ${printable(file)}\n\n${tableText(["KEY", "VALUE", "FROM", "CHANGE"], rows, columns)}`;
}

const shownText = (value: PlainValue): string => valueText(value) || "-";
