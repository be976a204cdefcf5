/**
 * What a value looks like where values have types: in the configuration file, in its JSON Schema, in JSON.
 */
export type ValueShape =
  | { readonly kind: "boolean" }
  | { readonly kind: "integer"; readonly minimum: number; readonly maximum: number }
  /** Bytes: an integer, or a text such as `256M`. */
  | { readonly kind: "size"; readonly minimum: number; readonly maximum: number }
  /** `words`: the only ones there are. `path`: of a file or a folder. */
  | { readonly kind: "text"; readonly words?: readonly string[]; readonly path?: true }
  /** `words`: may stand in place of the list. */
  | { readonly kind: "list"; readonly words?: readonly string[] };

/** A check of one value as text, with what it looks like as anything else; plain text when it does not say. */
export interface ValueParser<T> {
  (text: string, source: string): T;
  readonly shape?: ValueShape;
}

/** The parser, with the shape of what it takes. */
export function shaped<T>(shape: ValueShape, parse: (text: string, source: string) => T): ValueParser<T> {
  return Object.assign((text: string, source: string) => parse(text, source), { shape });
}
