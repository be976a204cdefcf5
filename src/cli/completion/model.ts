/**
 * What a shell may suggest: the commands as commander has them, with what the option tables know of values.
 */
import type { Argument, Command, Option } from "commander";
import { daemonOptions, fileOptions, secretOptions } from "../../config/options.ts";
import { remoteOptions } from "../../config/remoteOptions.ts";
import { rowsOf } from "../../config/schema.ts";

/** What may stand in a place; `unknown` suggests nothing. */
export type Values =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "files" }
  | { readonly kind: "folders" }
  | { readonly kind: "unknown" };

export interface CompletionOption {
  /** With their dashes. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null for a flag without a value. */
  readonly values: Values | null;
}

export interface CompletionCommand {
  /** `wgmesh/peers/list` */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletionOption[];
  readonly arguments: readonly Values[];
  readonly children: readonly CompletionCommand[];
}

/** The few words that an option takes, by its long name. */
const wordsOf: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ...rowsOf(daemonOptions),
    ...rowsOf(secretOptions),
    ...rowsOf(fileOptions),
    ...rowsOf(remoteOptions),
  ].flatMap(([, { row, shape }]) =>
    "words" in shape && shape.words !== undefined ? [[row.flag, shape.words]] : [],
  ),
);

export function completionModel(command: Command, above = ""): CompletionCommand {
  const name = command.name();
  const path = above === "" ? name : `${above}/${name}`;
  const help = command.createHelp();
  return {
    path,
    name,
    description: command.description(),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map(argumentOf),
    children: command.commands.map((child) => completionModel(child, path)),
  };
}

/** The command and all below it. */
export function flatten(command: CompletionCommand): CompletionCommand[] {
  return [command, ...command.children.flatMap(flatten)];
}

function optionOf(option: Option): CompletionOption {
  const { long, short, description, flags } = option;
  const names = [short, long].filter((name): name is string => typeof name === "string");
  if (!option.required && !option.optional) return { names, description, values: null };
  const words = names.map((name) => wordsOf.get(name)).find((found) => found !== undefined);
  const placeholder = /[<[]([^\]>]*)[\]>]/.exec(flags)?.[1] ?? "";
  return {
    names,
    description,
    values: words === undefined ? pathsOf(placeholder) : { kind: "words", words },
  };
}

function argumentOf(argument: Argument): Values {
  const { argChoices } = argument;
  return argChoices === undefined
    ? pathsOf(argument.name().toUpperCase())
    : { kind: "words", words: argChoices };
}

function pathsOf(placeholder: string): Values {
  if (placeholder === "FILE" || placeholder === "PATH") return { kind: "files" };
  return { kind: placeholder === "DIR" ? "folders" : "unknown" };
}
