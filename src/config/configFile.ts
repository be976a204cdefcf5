/**
 * The configuration file: TOML, one table for each group of options, the keys of schema.ts in them.
 */
import { parse, TomlError } from "smol-toml";
import { parseTyped } from "./given.ts";
import { type KeyLines, keyLines, lineOf } from "./keyLines.ts";
import type { Layer, Setting } from "./layers.ts";
import { nearest } from "./nearest.ts";
import { type Problem, problemOf } from "./problem.ts";
import { flagOnlyKeys, namesOf, type SchemaRow, schema, schemaTables } from "./schema.ts";

/** What a file says, and everything that is wrong with it. What is wrong is not among the settings. */
export interface FileContent {
  readonly settings: Layer;
  readonly problems: readonly Problem[];
}

type Complaint = Pick<Problem, "message" | "hint">;

/** Deeper nesting than any setting has. */
const MAX_DEPTH = 8;

/** @param kind what `config show` is to say of the settings: the operator's file, or the kept settings. */
export function parseConfigText(text: string, path: string, kind: "file" | "kept"): FileContent {
  try {
    const tables = parse(text, { integersAsBigInt: true, unsafeKeyBehaviour: "throw", maxDepth: MAX_DEPTH });
    return new Reader(path, kind, keyLines(text)).read(tables);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "");
    const message = `${path}:${error.line}: not TOML, at column ${error.column}: ${reason}`;
    return {
      settings: new Map(),
      problems: [{ code: "ERR_CONFIG", message, hint: "see https://toml.io, or wgmesh config sample" }],
    };
  }
}

class Reader {
  readonly #path: string;
  readonly #kind: "file" | "kept";
  readonly #lines: KeyLines;
  readonly #settings = new Map<string, Setting>();
  readonly #problems: Problem[] = [];

  constructor(path: string, kind: "file" | "kept", lines: KeyLines) {
    this.#path = path;
    this.#kind = kind;
    this.#lines = lines;
  }

  read(tables: Readonly<Record<string, unknown>>): FileContent {
    for (const [name, content] of Object.entries(tables)) {
      if (schemaTables.includes(name) && isTable(content)) {
        for (const [key, given] of Object.entries(content)) this.#setting(name, key, given);
      } else {
        this.#complain([name], isTable(content) ? unknownTable(name) : strayKey(name));
      }
    }
    return { settings: this.#settings, problems: this.#problems };
  }

  #setting(table: string, key: string, given: unknown): void {
    const path = [table, key];
    const row = schema.get(key);
    if (row?.table !== table) {
      this.#complain(path, unknownKey(table, key, row));
      return;
    }
    const line = lineOf(this.#lines, path);
    try {
      const value = parseTyped(row, given, `${this.#path}:${line}: ${key}`);
      this.#settings.set(key, { value, origin: { kind: this.#kind, path: this.#path, line } });
    } catch (error) {
      this.#problems.push(problemOf(error));
    }
  }

  #complain(path: readonly string[], { message, hint }: Complaint): void {
    this.#problems.push({
      code: "ERR_CONFIG",
      message: `${this.#path}:${lineOf(this.#lines, path)}: ${message}`,
      hint,
    });
  }
}

function unknownKey(table: string, key: string, row: SchemaRow | undefined): Complaint {
  if (row !== undefined) {
    return { message: `${key} does not belong to [${table}]`, hint: `move it to [${row.table}]` };
  }
  const reason = flagOnlyKeys.get(key);
  if (reason !== undefined) return { message: `${key} cannot stand in a file`, hint: reason };
  return { message: `${key} is not a setting`, hint: suggestion(key) };
}

function unknownTable(name: string): Complaint {
  const like = nearest(name, schemaTables);
  const all = schemaTables.map((table) => `[${table}]`).join(", ");
  const hint = like === null ? `the tables are ${all}` : `did you mean [${like}]?`;
  return { message: `[${name}] is not a table of settings`, hint };
}

/** A value before the first table. */
function strayKey(key: string): Complaint {
  if (schemaTables.includes(key)) {
    return { message: `${key} is a table`, hint: `write [${key}] on a line of its own` };
  }
  const row = schema.get(key);
  if (row === undefined) return unknownKey("", key, row);
  return { message: `${key} stands outside of a table`, hint: `put it below a line [${row.table}]` };
}

/** The nearest setting, by its key or by its flag. */
export function suggestion(key: string): string {
  const names = new Map([...schema.values()].flatMap((row) => namesOf(row).map((name) => [name, row.key])));
  const like = names.get(nearest(key, names.keys()) ?? "");
  return like === undefined ? "wgmesh config sample lists all of them" : `did you mean ${like}?`;
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
