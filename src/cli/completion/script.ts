/**
 * What the scripts of all three shells are put together from: which options have a value, which words are commands, and what
 * may stand where. A place is `COMMAND`, `COMMAND --option` or `COMMAND position`.
 */
import { type CompletionCommand, flatten, type Values } from "./model.ts";

export interface Place {
  readonly name: string;
  readonly values: Values;
}

/** Every command of both binaries. */
export function allCommands(roots: readonly CompletionCommand[]): CompletionCommand[] {
  return roots.flatMap(flatten);
}

/** The options with a value, and what that may be. */
export function valuePlaces(commands: readonly CompletionCommand[]): Place[] {
  return commands.flatMap(({ path, options }) =>
    options.flatMap(({ names, values }) =>
      values === null ? [] : names.map((name) => ({ name: `${path} ${name}`, values })),
    ),
  );
}

/** The words that are no options, by their number from 0. */
export function argumentPlaces(commands: readonly CompletionCommand[]): Place[] {
  return commands.flatMap((command) =>
    command.arguments.map((values, position) => ({ name: `${command.path} ${position}`, values })),
  );
}

/** Paths of the commands that are below others. */
export function commandPlaces(commands: readonly CompletionCommand[]): string[] {
  return commands.flatMap(({ children }) => children.map(({ path }) => path));
}

/** Places that suggest the same, together. */
export function grouped(places: readonly Place[]): { names: string[]; values: Values }[] {
  const groups = new Map<string, { names: string[]; values: Values }>();
  for (const { name, values } of places) {
    const id = JSON.stringify(values);
    const group = groups.get(id) ?? { names: [], values };
    group.names.push(name);
    groups.set(id, group);
  }
  return [...groups.values()];
}

/** As a word of any of the shells: in single quotes. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
