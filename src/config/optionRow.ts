/**
 * What a row of an option table is (config/options.ts).
 */
import type { ValueParser } from "./values.ts";

export type OptionGroup = "Interface" | "Discovery" | "Relay" | "Routes" | "Secret" | "Files" | "Log";

/** One row. `T` is the checked type; defaults are checked values already. */
export interface OptionRow<T> {
  /** As written, without what follows: `--mtu`. */
  readonly flag: `--${string}`;
  /** A second spelling. */
  readonly alias?: `--${string}`;
  readonly group: OptionGroup;
  readonly help: string;
  /** Environment variable that gives the value when the flag is absent. */
  readonly env?: string;
  readonly default: T;
  /** How the help shows the default; absent shows none. */
  readonly defaultText?: string;
  /** True when a reload may change it while the daemon runs (row C5). */
  readonly live?: true;
  readonly form: OptionForm<T>;
}

export type OptionForm<T> =
  /** No argument; its presence means `present`. */
  | { readonly kind: "switch"; readonly present: T }
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
