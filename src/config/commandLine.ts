/**
 * The command line a daemon is started with by another process, or by itself anew: what was typed, checked, with nothing in it that
 * depends on the folder it was typed in, and without the secret.
 */
import type { ConfigurationSources } from "./configuration.ts";
import { type Layer, plainValue, type Setting } from "./layers.ts";
import { daemonOptions } from "./options.ts";
import { rowsOf, type SchemaRow } from "./schema.ts";
import { variableLayer } from "./variables.ts";

/** The words of the options that were typed, and of paths that came from variables; other variables follow the child by themselves. */
export function commandLineOf({ flags, env, configFile }: ConfigurationSources): string[] {
  const rows = rowsOf(daemonOptions).map(([, row]) => row);
  const paths = pathsOf(variableLayer(rows, env).settings);
  const words = rows.flatMap((row) => {
    const setting = flags.get(row.key) ?? paths.get(row.key);
    return setting === undefined ? [] : wordsOf(row, setting);
  });
  return configFile === null ? words : ["--config", configFile, ...words];
}

function pathsOf(layer: Layer): Layer {
  return new Map([...layer].filter(([, { value }]) => typeof value === "string" && value.startsWith("/")));
}

function wordsOf({ row }: SchemaRow, { value, origin }: Setting): string[] {
  if (row.form.kind === "switch") return [row.flag];
  // Of a pair the flag that was typed says which it was.
  if (row.form.kind === "pair") return [origin.kind === "flag" ? origin.flag : row.flag];
  const plain = plainValue(value);
  const texts = Array.isArray(plain) ? plain.map(String) : [String(plain)];
  if (row.form.kind === "list") return texts.flatMap((text) => [row.flag, text]);
  return [row.flag, texts.join(",")];
}
