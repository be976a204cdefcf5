import { WgmeshError } from "../core/errors.ts";

/** The word that a flag was given, one of those it takes. Throws ERR_USAGE, which lists them. */
export function checkedWord<T extends string>(text: string, words: readonly T[], flag: string): T {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new WgmeshError("ERR_USAGE", `${flag}: ${JSON.stringify(text)} is none of ${words.join(", ")}`);
}
