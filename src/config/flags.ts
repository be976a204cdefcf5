/**
 * Option tables on a commander command: declares the flags, and makes the checked object from what was typed and from the
 * layers below.
 */
import { type Command, Option } from "commander";
import { WgmeshError } from "../core/errors.ts";
import { type Layer, optionsOf, type Setting, settingsOf } from "./layers.ts";
import { notBuiltFlags, type OptionForm, type OptionTable } from "./options.ts";
import { refuse } from "./problem.ts";
import { rowsOf, type SchemaRow } from "./schema.ts";
import { type Environment, variableLayer } from "./variables.ts";

export type { Environment } from "./variables.ts";

/** The second flag of a pair. */
const contraryFlag = (flag: string): string => `--no-${flag.slice(2)}`;

/** Declares every row of a table. Values stay text; {@link readOptions} checks them. */
export function addOptions<Options>(command: Command, table: OptionTable<Options>): Command {
  for (const [, row] of rowsOf(table)) addRow(command, row);
  return command;
}

function addRow(command: Command, { row, reload }: SchemaRow): void {
  const { flag, alias, form, group } = row;
  const names = alias === undefined ? flag : `${flag}, ${alias}`;
  const notes = [
    row.defaultText === undefined ? "" : ` (default: ${row.defaultText})`,
    // The systematic names are a rule, told once.
    row.env === undefined ? "" : ` [$${row.env}]`,
    reload === "live" ? " [live]" : "",
  ];
  const text = "placeholder" in form ? `${names} <${form.placeholder}>` : names;
  const option = new Option(text, row.help + notes.join("")).helpGroup(`${group}:`);
  if (form.kind === "list") option.argParser((word: string, before?: string[]) => [...(before ?? []), word]);
  command.addOption(option);
  if (form.kind !== "pair") return;
  command.addOption(new Option(contraryFlag(flag), form.contraryHelp).helpGroup(`${group}:`));
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

/** What was typed. Throws a WgmeshError that names the flag and its value. */
export function flagLayer<Options>(command: Command, table: OptionTable<Options>): Layer {
  const layer = new Map<string, Setting>();
  for (const [, { key, row }] of rowsOf(table)) {
    const flags = row.form.kind === "pair" ? [row.flag, contraryFlag(row.flag)] : [row.flag];
    for (const flag of flags) {
      const given = typed(command, flag);
      if (given === undefined) continue;
      const name = flag === row.flag ? (row.alias ?? flag) : flag;
      layer.set(key, { value: parseTypedWords(row.form, given, name), origin: { kind: "flag", flag: name } });
    }
  }
  return layer;
}

function parseTypedWords(form: OptionForm<unknown>, given: unknown, source: string): unknown {
  if (form.kind === "switch") return form.present;
  if (form.kind === "pair") return given === false ? form.contrary : form.present;
  if (form.kind === "value") return form.parse(String(given), source);
  const texts = Array.isArray(given) ? given : [given];
  return texts.flatMap((text) => form.parse(String(text), source));
}

/**
 * The checked, frozen options: flag, else variable (unless empty), else the layers in their order, else default. Throws a WgmeshError
 * that names the flag or variable and its value.
 */
export function readOptions<Options>(
  command: Command,
  table: OptionTable<Options>,
  env: Environment,
  below: readonly Layer[] = [],
): Readonly<Options> {
  const rows = rowsOf(table).map(([, row]) => row);
  const flags = flagLayer(command, table);
  const variables = variableLayer(rows, env);
  refuse(variables.problems.slice(0, 1));
  const layers = [flags, variables.settings, ...below];
  return optionsOf(table, settingsOf(table, layers));
}
