/**
 * All options as one list: what the configuration file, its sample, its JSON Schema, the variables and the completions are made of.
 */
import {
  configKey,
  type OptionGroup,
  type OptionRow,
  type OptionTable,
  type ReloadClass,
  reloadClass,
  shapeOf,
  variableName,
} from "./optionRow.ts";
import {
  type DaemonOptions,
  daemonOptions,
  type FileOptions,
  fileOptions,
  type SecretOptions,
  secretOptions,
} from "./options.ts";
import type { ValueShape } from "./shape.ts";

/** One option under the name that files and variables have for it. */
export interface SchemaRow {
  readonly key: string;
  /** Table of the file: the group in small letters. */
  readonly table: string;
  readonly variable: `WGMESH_${string}`;
  readonly shape: ValueShape;
  readonly reload: ReloadClass;
  readonly row: OptionRow<unknown>;
}

export const tableOf = (group: OptionGroup): string => group.toLowerCase().replaceAll(" ", "-");

/** The rows of a table, by member of the checked object. */
export function rowsOf<Options>(table: OptionTable<Options>): [keyof Options & string, SchemaRow][] {
  const rows = Object.entries(table) as [keyof Options & string, OptionRow<unknown>][];
  return rows.map(([member, row]) => [member, schemaRow(row)]);
}

function schemaRow(row: OptionRow<unknown>): SchemaRow {
  const key = configKey(row);
  return {
    key,
    table: tableOf(row.group),
    variable: variableName(key),
    shape: shapeOf(row.form),
    reload: reloadClass(row),
    row,
  };
}

const allRows = [
  ...rowsOf<DaemonOptions>(daemonOptions),
  ...rowsOf<SecretOptions>(secretOptions),
  ...rowsOf<FileOptions>(fileOptions),
].map(([, row]) => row);

/** Every option that may stand in a file, by key, in the order of the tables. */
export const schema: ReadonlyMap<string, SchemaRow> = new Map(
  allRows.filter(({ row }) => row.flagOnly === undefined).map((row) => [row.key, row]),
);

/** Those that are given by a flag alone, with the reason. */
export const flagOnlyKeys: ReadonlyMap<string, string> = new Map(
  allRows.flatMap(({ key, row }) => (row.flagOnly === undefined ? [] : [[key, row.flagOnly] as const])),
);

/** The tables of a file in their order. */
export const schemaTables: readonly string[] = [...new Set([...schema.values()].map(({ table }) => table))];

/** Its key, and its flags without the dashes. */
export function namesOf({ key, row }: SchemaRow): string[] {
  const flags = row.alias === undefined ? [row.flag] : [row.flag, row.alias];
  return [...new Set([key, ...flags.map((flag) => flag.slice(2))])];
}
