/**
 * Values by where they come from: each source of options is a layer, and the higher one wins.
 */
import { type Endpoint, endpointText } from "../core/types.ts";
import type { OptionTable } from "./optionRow.ts";
import { rowsOf } from "./schema.ts";

export type Origin =
  | { readonly kind: "default" }
  | { readonly kind: "file"; readonly path: string; readonly line: number }
  /** Kept by `config set --keep`. */
  | { readonly kind: "kept"; readonly path: string; readonly line: number }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "flag"; readonly flag: string }
  /** The reload file of row C5. */
  | { readonly kind: "reload"; readonly path: string; readonly line: number }
  /** `config set` without `--keep`. */
  | { readonly kind: "set" };

/** A checked value and where it stands. */
export interface Setting {
  readonly value: unknown;
  readonly origin: Origin;
}

/** By key (schema.ts). */
export type Layer = ReadonlyMap<string, Setting>;

/** How an error names the place of a value. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "default":
      return "default";
    case "file":
    case "reload":
      return `${origin.path}:${origin.line}`;
    case "kept":
      return `kept in ${origin.path}`;
    case "variable":
      return `$${origin.name}`;
    case "flag":
      return origin.flag;
    case "set":
      return "config set";
  }
}

/** The setting of the first layer that has it, else the default, for every row of the table. */
export function settingsOf<Options>(table: OptionTable<Options>, layers: readonly Layer[]): Layer {
  return new Map(
    rowsOf(table).map(([, { key, row }]) => {
      const found = layers.find((layer) => layer.has(key))?.get(key);
      return [key, found ?? { value: row.default, origin: { kind: "default" } }];
    }),
  );
}

/** The frozen object of checked values. */
export function optionsOf<Options>(table: OptionTable<Options>, settings: Layer): Readonly<Options> {
  const entries = rowsOf(table).map(([member, { key, row }]) => {
    const setting = settings.get(key);
    return [member, setting === undefined ? row.default : setting.value];
  });
  return Object.freeze(Object.fromEntries(entries)) as Readonly<Options>;
}

/** A value as JSON, a file and a table for people have it. */
export type PlainValue = null | boolean | number | string | readonly (boolean | number | string)[];

/** A checked value made plain again: endpoints as `host:port`. */
export function plainValue(value: unknown): PlainValue {
  if (Array.isArray(value)) return value.map((entry) => plainValue(entry) as string);
  if (typeof value === "object" && value !== null && "host" in value) return addressText(value as Address);
  return value as PlainValue;
}

export const sameValue = (one: unknown, other: unknown): boolean =>
  JSON.stringify(plainValue(one)) === JSON.stringify(plainValue(other));

/** In one word, as `config set` takes it. */
export function valueText(value: PlainValue): string {
  return typeof value === "object" && value !== null ? value.join(",") : String(value ?? "");
}

/** Texts, numbers, booleans and lists of them; JSON's way to write these is one of TOML's. */
export function tomlText(value: PlainValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `[${value.map((entry) => JSON.stringify(entry)).join(", ")}]`;
}

type Address = Pick<Endpoint, "host"> & { readonly port: number | null };

function addressText({ host, port }: Address): string {
  if (port !== null) return endpointText({ host, port });
  return host.includes(":") ? `[${host}]` : host;
}
