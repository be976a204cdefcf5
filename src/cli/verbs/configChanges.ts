import { Argument, type Command } from "commander";
import { schema } from "../../config/schema.ts";
import { printable } from "../../core/text.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, jsonAsked, readLocation } from "../location.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** Applying waits for a cycle of the reconciler. */
const TIMEOUT_MS = 30_000;

/** For the completions; the daemon says what is wrong with others. */
function keyArgument(description: string): Argument {
  const argument = new Argument("<key>", description);
  argument.argChoices = [...schema.values()].filter(({ reload }) => reload !== "fixed").map(({ key }) => key);
  return argument;
}

/** `wgmesh config set` and `unset`: change the running daemon, and with `--keep` its next starts. */
export function addConfigChanges(config: Command, terminal: Terminal): void {
  const set = config
    .command("set")
    .addArgument(keyArgument("name of the setting, as config show has it"))
    .addArgument(new Argument("<value>", "lists have commas between; '' is the empty list"))
    .description("change a setting of the running daemon")
    .option("--keep", "keep it across restarts; needed for settings that count from the next start on")
    .action(async (key: string, value: string, { keep }: { keep?: true }) => {
      const params = { settings: { [key]: value }, keep: keep === true };
      await change("config.set", params, set, terminal);
    });
  addLocation(set);
  const unset = config
    .command("unset")
    .addArgument(keyArgument("name of the setting"))
    .description("take back what config set, or a reload file, has set; also what is kept")
    .action(async (key: string) => change("config.unset", { keys: [key] }, unset, terminal));
  addLocation(unset);
}

async function change(
  method: "config.set" | "config.unset",
  params: Readonly<Record<string, unknown>>,
  command: Command,
  terminal: Terminal,
): Promise<void> {
  const { client } = readLocation(command, terminal);
  const result = await callOnce({ ...client, timeoutMs: TIMEOUT_MS }, method, params);
  if (jsonAsked(command)) {
    terminal.out(jsonText(result));
    return;
  }
  for (const warning of result.warnings) terminal.err(`wgmesh: warning: ${printable(warning)}\n`);
  terminal.out(changesText(result));
}

/** What a change or a reload came to, one line a kind. */
export function changesText({
  changed,
  restart,
  removed = [],
}: {
  changed: readonly string[];
  restart: readonly string[];
  removed?: readonly string[];
}): string {
  const told = [...changed.map((each) => each.split("=")[0]), ...restart];
  const silent = removed.filter((key) => !told.includes(key));
  const lines = [
    ...(changed.length === 0 ? [] : [`changed: ${printable(changed.join(", "))}`]),
    ...(restart.length === 0 ? [] : [`needs a restart: ${printable(restart.join(", "))}`]),
    ...(silent.length === 0 ? [] : [`taken back: ${printable(silent.join(", "))}; what counts is the same`]),
  ];
  return lines.length === 0 ? "nothing changed\n" : `${lines.join("\n")}\n`;
}
