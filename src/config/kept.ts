/**
 * The kept settings: a file of the same kind as the configuration, written by `config set --keep`.
 */
import { type Layer, plainValue, tomlText } from "./layers.ts";
import { schema, schemaTables } from "./schema.ts";

const header = "# Kept by 'wgmesh config set --keep'; 'wgmesh config unset' takes a setting out.\n";

/** The text of the file, or null when nothing is kept. */
export function keptText(kept: Layer): string | null {
  const text = tomlOf(kept);
  return text === "" ? null : header + text;
}

/** The settings as the tables of a file; each with an empty line before it. */
export function tomlOf(settings: Layer): string {
  const tables = schemaTables.map((table) => {
    const lines = [...settings].filter(([key]) => schema.get(key)?.table === table);
    const texts = lines.map(([key, { value }]) => `${key} = ${tomlText(plainValue(value))}\n`);
    return texts.length === 0 ? "" : `\n[${table}]\n${texts.join("")}`;
  });
  return tables.join("");
}
