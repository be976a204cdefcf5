/**
 * What a row of an option table is (config/options.ts).
 */
import type { ValueParser, ValueShape } from "./shape.ts";

export type OptionGroup =
  | "Interface"
  | "Discovery"
  | "Relay"
  | "Routes"
  | "Secret"
  | "Files"
  | "RPC"
  | "Remote"
  | "Process"
  | "Log";

/** One row. `T` is the checked type; defaults are checked values already. */
export interface OptionRow<T> {
  /** As written, without what follows: `--mtu`. */
  readonly flag: `--${string}`;
  /** A second spelling. */
  readonly alias?: `--${string}`;
  readonly group: OptionGroup;
  readonly help: string;
  /** A second name of its variable, from before there were systematic ones ({@link variableName}). */
  readonly env?: `WGMESH_${string}`;
  readonly default: T;
  /** For the sample file, where there is no default; absent takes one by the placeholder (config/sample.ts). */
  readonly example?: string | number | readonly string[];
  /** How the help shows the default; absent shows none. */
  readonly defaultText?: string;
  /** May change while the daemon runs (row C5): needs a line in daemon/liveSettings.ts. */
  readonly live?: true;
  /** Makes another node of this one, or is needed to find the kept settings: `config set` refuses it. */
  readonly fixed?: true;
  /** Why it cannot stand in a file or in a variable; such an option is not shown either. */
  readonly flagOnly?: string;
  readonly form: OptionForm<T>;
}

export type OptionForm<T> =
  /** No argument; its presence means `present`. */
  | { readonly kind: "switch"; readonly present: T }
  /** Two flags without arguments, `--x` and `--no-x`, the last of which counts; elsewhere one word. */
  | {
      readonly kind: "pair";
      readonly present: T;
      readonly contrary: T;
      readonly contraryHelp: string;
      readonly parse: ValueParser<T>;
    }
  /** One argument; the last one counts. */
  | { readonly kind: "value"; readonly placeholder: string; readonly parse: ValueParser<T> }
  /** May be repeated; what `parse` makes of each argument is joined into one list. */
  | { readonly kind: "list"; readonly placeholder: string; readonly parse: ValueParser<T> };

/** A table holds one row for each member of the checked object. */
export type OptionTable<Options> = { readonly [Key in keyof Options]: OptionRow<Options[Key]> };

export const on = { kind: "switch", present: true } as const;
export const off = { kind: "switch", present: false } as const;
export const value = <T>(placeholder: string, parse: ValueParser<T>): OptionForm<T> => ({
  kind: "value",
  placeholder,
  parse,
});
export const list = <T>(placeholder: string, parse: ValueParser<readonly T[]>): OptionForm<readonly T[]> => ({
  kind: "list",
  placeholder,
  parse,
});

/** `live`: at once; `restart`: from the next start on; `fixed`: only by a flag, a variable or the file. */
export type ReloadClass = "live" | "restart" | "fixed";

export function reloadClass(row: Pick<OptionRow<unknown>, "live" | "fixed">): ReloadClass {
  if (row.fixed) return "fixed";
  return row.live ? "live" : "restart";
}

/** Its name in the file and for `config set`: the flag, said positively. `--no-dht` is `dht`. */
export function configKey({ flag, form }: Pick<OptionRow<unknown>, "flag" | "form">): string {
  const name = flag.slice(2);
  return form.kind === "switch" && form.present === false ? name.replace(/^no-/, "") : name;
}

/** `listen-port` is `WGMESH_LISTEN_PORT`. */
export function variableName(key: string): `WGMESH_${string}` {
  return `WGMESH_${key.replaceAll("-", "_").toUpperCase()}`;
}

export function shapeOf(form: OptionForm<unknown>): ValueShape {
  if (form.kind === "switch") return { kind: "boolean" };
  if (form.kind === "list") return { kind: "list" };
  return form.parse.shape ?? { kind: "text" };
}
