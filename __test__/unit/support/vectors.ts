import { readFileSync } from "node:fs";

/** One entry of vectors.json; each section has members of its own. */
export type Vector = Readonly<Record<string, unknown>> & { readonly what: string };

const all = JSON.parse(
  readFileSync(new URL("../../vectors/vectors.json", import.meta.url), "utf8"),
) as Record<string, Vector[]>;

/** The entries of a section; throws when there are none, so that no loop of tests is empty unnoticed. */
export function vectors<T>(section: string): (T & { readonly what: string })[] {
  const entries = all[section];
  if (entries === undefined || entries.length === 0) throw new Error(`no vectors in ${section}`);
  return entries as (T & { readonly what: string })[];
}
