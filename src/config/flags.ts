/**
 * Option tables on a commander command: declares the flags, and makes the checked object from what was typed and from the
 * environment.
 */
import { type Command, Option } from "commander";
import { WgmeshError } from "../core/errors.ts";
import { notBuiltFlags, type OptionForm, type OptionRow, type OptionTable } from "./options.ts";

/** Environment variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

function flagText(row: OptionRow<unknown>): string {
  const names = row.alias === undefined ? row.flag : `${row.flag}, ${row.alias}`;
  return row.form.kind === "switch" ? names : `${names} <${row.form.placeholder}>`;
}

function rowsOf<Options>(table: OptionTable<Options>): [keyof Options, OptionRow<unknown>][] {
  return Object.entries(table) as [keyof Options, OptionRow<unknown>][];
}

/** Declares every row of a table. Values stay text; {@link readOptions} checks them. */
export function addOptions<Options>(command: Command, table: OptionTable<Options>): Command {
  for (const [, row] of rowsOf(table)) {
    const notes = [
      row.defaultText === undefined ? "" : ` (default: ${row.defaultText})`,
      row.env === undefined ? "" : ` [$${row.env}]`,
    ];
    const option = new Option(flagText(row), row.help + notes.join("")).helpGroup(`${row.group}:`);
    if (row.form.kind === "list")
      option.argParser((text: string, before?: string[]) => [...(before ?? []), text]);
    command.addOption(option);
  }
  return command;
}

/** Declares the flags that are refused (hidden from the help), so that the refusal can name them. */
export function addNotBuiltFlags(command: Command): Command {
  for (const { flag, placeholder } of notBuiltFlags) {
    command.addOption(new Option(placeholder === undefined ? flag : `${flag} [${placeholder}]`).hideHelp());
  }
  return command;
}

/** Throws ERR_NOT_BUILT for the first such flag that was typed. */
export function refuseNotBuiltFlags(command: Command): void {
  for (const { flag } of notBuiltFlags) {
    if (typed(command, flag) !== undefined)
      throw new WgmeshError("ERR_NOT_BUILT", `${flag} is not in this release`);
  }
}

/** What commander holds for a flag, or undefined when it was not typed. */
function typed(command: Command, flag: string): unknown {
  const option = command.options.find(({ short, long }) => flag === long || flag === short);
  if (option === undefined) return undefined;
  const key = option.attributeName();
  if (command.getOptionValueSource(key) !== "cli") return undefined;
  const value: unknown = command.getOptionValue(key);
  // `--x` and `--no-x` share one value: false when the last of them was the second.
  return option.negate === (value === false) ? value : undefined;
}

/**
 * The checked, frozen options: flag, else variable (unless empty), else default. Throws a WgmeshError that names the flag or
 * variable and its value.
 */
export function readOptions<Options>(
  command: Command,
  table: OptionTable<Options>,
  env: Environment,
): Readonly<Options> {
  const entries = rowsOf(table).map(([key, row]) => [key, readRow(command, row, env)]);
  return Object.freeze(Object.fromEntries(entries)) as Readonly<Options>;
}

function readRow(command: Command, row: OptionRow<unknown>, env: Environment): unknown {
  const given = typed(command, row.flag);
  if (given !== undefined)
    return parseForm(row.form, given as string | string[] | boolean, row.alias ?? row.flag);
  const variable = row.env === undefined ? undefined : env[row.env];
  if (variable !== undefined && variable !== "") return parseForm(row.form, variable, `$${row.env}`);
  return row.default;
}

function parseForm(form: OptionForm<unknown>, given: string | string[] | boolean, source: string): unknown {
  if (form.kind === "switch") return form.present;
  if (form.kind === "value") return form.parse(String(given), source);
  const texts = Array.isArray(given) ? given : [String(given)];
  return texts.flatMap((text) => form.parse(text, source));
}
