/**
 * The reload file (row C5, PROTOCOL.md section 14): `<state-dir>/<iface>.reload`, read on SIGHUP and `wgmesh reload`.
 *
 * Unlike the Go peer's, a line that cannot be used refuses the whole file: an operator who mistypes a network must not find
 * the others withdrawn.
 */
import { messageOf, WgmeshError } from "../core/errors.ts";
import { parseText } from "./given.ts";
import type { Layer, Setting } from "./layers.ts";
import { flagOnlyKeys, namesOf, type SchemaRow, schema } from "./schema.ts";

/** Of flags that are no options of this release. */
const OTHER_FLAGS = ["privacy"];

/**
 * `KEY=VALUE` lines for the settings that are live; blank lines and those that start with `#` do not count, keys are taken in any
 * case, blanks around key and value do not count, the last of equal keys wins. An empty `advertise-routes` withdraws all. Keys that
 * are absent stay as they are. Throws ERR_RELOAD naming the number of the line and its key.
 */
export function parseReloadFile(text: string, path: string): Layer {
  const layer = new Map<string, Setting>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const place = `${path} line ${index + 1}`;
    const { key, value } = splitLine(trimmed, place);
    const row = liveRow(key, place);
    layer.set(key, {
      value: parseValue(row, value, `${place}: ${key}`),
      origin: { kind: "reload", path, line: index + 1 },
    });
  }
  return layer;
}

function splitLine(line: string, place: string): { key: string; value: string } {
  const equals = line.indexOf("=");
  if (equals < 0) throw new WgmeshError("ERR_RELOAD", `${place}: ${JSON.stringify(line)} is not KEY=VALUE`);
  return { key: line.slice(0, equals).trim().toLowerCase(), value: line.slice(equals + 1).trim() };
}

function liveRow(key: string, place: string): SchemaRow {
  const row = schema.get(key);
  if (row?.reload === "live") return row;
  const reason = isKnown(key) ? "cannot be changed while the node runs" : "is not a setting";
  const live = [...schema.values()].filter(({ reload }) => reload === "live").map((other) => other.key);
  throw new WgmeshError("ERR_RELOAD", `${place}: ${JSON.stringify(key)} ${reason}`, {
    hint: `a reload can change ${live.join(", ")}; nothing was changed`,
  });
}

function isKnown(key: string): boolean {
  const names = [...schema.values()].flatMap(namesOf);
  return [...names, ...flagOnlyKeys.keys(), ...OTHER_FLAGS].includes(key);
}

function parseValue({ row }: SchemaRow, value: string, source: string): unknown {
  try {
    return parseText(row.form, value, source);
  } catch (cause) {
    throw new WgmeshError("ERR_RELOAD", messageOf(cause), { cause });
  }
}
