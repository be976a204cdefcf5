/**
 * The reload file (row C5, PROTOCOL.md section 14): `<state-dir>/<iface>.reload`, read on SIGHUP and `wgmesh reload`.
 *
 * Unlike the Go peer's, a line that cannot be used refuses the whole file: an operator who mistypes a network must not find
 * the others withdrawn.
 */
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { LogLevels } from "../core/log.ts";
import type { Cidr } from "../core/types.ts";
import { daemonOptions } from "./options.ts";
import type { ValueParser } from "./shape.ts";
import { advertisedNetworks, logLevels } from "./values.ts";

/** Absent members stay as they are. */
export interface ReloadChange {
  readonly advertiseRoutes?: readonly Cidr[];
  readonly logLevel?: LogLevels;
}

const liveKeys = new Map<string, ValueParser<ReloadChange>>([
  ["advertise-routes", (text, source) => ({ advertiseRoutes: advertisedNetworks(text, source) })],
  ["log-level", (text, source) => ({ logLevel: logLevels(text, source) })],
]);

/**
 * `KEY=VALUE` lines; blank lines and those that start with `#` do not count, keys are taken in any case, blanks around key
 * and value do not count, the last of equal keys wins. An empty `advertise-routes` withdraws all.
 * Throws ERR_RELOAD naming the number of the line and its key.
 */
export function parseReloadFile(text: string, path: string): ReloadChange {
  let change: ReloadChange = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const place = `${path} line ${index + 1}`;
    const { key, value } = splitLine(trimmed, place);
    change = { ...change, ...parseValue(liveKey(key, place), value, `${place}: ${key}`) };
  }
  return change;
}

function splitLine(line: string, place: string): { key: string; value: string } {
  const equals = line.indexOf("=");
  if (equals < 0) throw new WgmeshError("ERR_RELOAD", `${place}: ${JSON.stringify(line)} is not KEY=VALUE`);
  return { key: line.slice(0, equals).trim().toLowerCase(), value: line.slice(equals + 1).trim() };
}

function liveKey(key: string, place: string): ValueParser<ReloadChange> {
  const found = liveKeys.get(key);
  if (found !== undefined) return found;
  const reason = startOnlyKeys().has(key) ? "cannot be changed while the node runs" : "is not a setting";
  throw new WgmeshError("ERR_RELOAD", `${place}: ${JSON.stringify(key)} ${reason}`, {
    hint: `a reload can change ${[...liveKeys.keys()].join(" and ")}; nothing was changed`,
  });
}

/** Every option by the name of its flag, and the secret's. */
function startOnlyKeys(): Set<string> {
  const flags = Object.values(daemonOptions).flatMap((row) =>
    "alias" in row ? [row.flag, row.alias] : [row.flag],
  );
  const names = flags.map((flag) => String(flag).slice(2));
  return new Set([
    ...names,
    ...names.map((name) => name.replace(/^no-/, "")),
    "secret",
    "secret-file",
    "privacy",
    "gossip",
  ]);
}

function parseValue<T>(parse: ValueParser<T>, value: string, source: string): T {
  try {
    return parse(value, source);
  } catch (cause) {
    throw new WgmeshError("ERR_RELOAD", messageOf(cause), { cause });
  }
}
