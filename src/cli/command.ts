/**
 * What both binaries do around commander: errors as ours, help with exit codes, and one way to end.
 */
import { Command, CommanderError } from "commander";
import { ExitCode, exitCodeMeaning, exitCodeOf, messageOf, WgmeshError } from "../core/errors.ts";
import { withoutSecrets } from "../core/redact.ts";
import { printable } from "../core/text.ts";
import type { Terminal } from "./terminal.ts";

/** A command whose output goes to `terminal` and whose mistakes are thrown. Subcommands made from it inherit both. */
export function makeCommand(name: string, terminal: Terminal): Command {
  return new Command(name)
    .exitOverride()
    .showSuggestionAfterError()
    .helpOption("-h, --help", "print this help")
    .configureHelp({ helpWidth: terminal.columns ?? 100 })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      // Mistakes are reported once, by runCommand.
      writeErr: () => {},
      getOutHelpWidth: () => terminal.columns ?? 100,
    });
}

/** The table of core/errors.ts, as `--help` shows it. */
export function exitCodesText(): string {
  const names = Object.keys(ExitCode) as (keyof typeof ExitCode)[];
  const lines = names.map((name) => `  ${String(ExitCode[name]).padStart(2)}  ${exitCodeMeaning[name]}`);
  return `\nExit codes:\n${lines.join("\n")}\n`;
}

/** Parses `args` and runs the action that fits; resolves to the exit code, all errors reported. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    await command.parseAsync(args, { from: "user" });
    return ExitCode.ok;
  } catch (error) {
    if (error instanceof EndWith) return error.exitCode;
    // Help that was asked for.
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.ok;
    const known = error instanceof CommanderError ? usageError(error, asked(command, args)) : error;
    reportError(command.name(), known, terminal);
    return exitCodeOf(known);
  }
}

/** Thrown by a command that has said all there is to say and ends with another code than 0. */
export class EndWith extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** The command that the words name, as far as they name one: the program's names, and those of what they lead to. */
function asked(
  command: Command,
  args: readonly string[],
): { readonly names: string[]; readonly last: Command } {
  const names = [command.name()];
  let last = command;
  for (const word of args) {
    const next = last.commands.find((known) => known.name() === word);
    if (next === undefined) break;
    names.push(word);
    last = next;
  }
  return { names, last };
}

function usageError(error: CommanderError, { names, last }: ReturnType<typeof asked>): WgmeshError {
  const [, ...words] = names;
  const where = words.length === 0 ? "" : `${words.join(" ")}: `;
  const what =
    error.code === "commander.help"
      ? "no command was given"
      : error.message.replace(/^error: /, "").replaceAll("\n", " ");
  return new WgmeshError("ERR_USAGE", `${where}${what}`, { cause: error, hint: usageHint(names, last) });
}

/** Where there are few commands they are named: all of `wgmesh` are more than a line. */
export function usageHint(names: readonly string[], { commands }: Command): string {
  const help = `'${names.join(" ")} --help'`;
  if (commands.length === 0 || names.length === 1) return `see ${help}`;
  return `the commands are ${commands.map((known) => known.name()).join(", ")}; see ${help}`;
}

/** One line that says what is wrong, one that says what to do; the stack only with WGMESH_LOG=debug. */
function reportError(name: string, error: unknown, terminal: Terminal): void {
  const shown = (text: string): string => printable(withoutSecrets(text));
  terminal.err(`${name}: ${shown(messageOf(error))}\n`);
  if (error instanceof WgmeshError) {
    terminal.err(`hint: ${shown(error.hint)}\n`);
    // Lines of a log, made printable where they were read.
    if (error.detail !== null) terminal.err(error.detail);
  }
  if (terminal.env.WGMESH_LOG === "debug" && error instanceof Error)
    terminal.err(`${withoutSecrets(String(error.stack))}\n`);
}
