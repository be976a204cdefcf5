/**
 * What `config set` and `config unset` ask for, checked.
 */
import { WgmeshError } from "../core/errors.ts";
import { suggestion } from "./configFile.ts";
import { parseText, parseTyped } from "./given.ts";
import { flagOnlyKeys, type SchemaRow, schema } from "./schema.ts";

/** The setting of that name, if it can be set while a node runs or kept for its next start. Throws ERR_CONFIG. */
export function changeableRow(key: string): SchemaRow {
  const row = schema.get(key);
  if (row === undefined) {
    const reason = flagOnlyKeys.has(key) ? "is given by a flag alone" : "is not a setting";
    throw new WgmeshError("ERR_CONFIG", `${key} ${reason}`, { hint: suggestion(key) });
  }
  if (row.reload === "fixed") {
    throw new WgmeshError("ERR_CONFIG", `${key} cannot be set: it makes the node what it is`, {
      hint: `give ${row.row.flag}, $${row.variable}, or a line of the configuration file, and restart`,
    });
  }
  return row;
}

/** The checked value of a change: text as of a variable, or the value that the file would have. Throws ERR_CONFIG. */
export function parseChange(row: SchemaRow, given: unknown): unknown {
  if (typeof given === "string") return parseText(row.row.form, given, row.key);
  return parseTyped(row, Number.isInteger(given) ? BigInt(given as number) : given, row.key);
}
