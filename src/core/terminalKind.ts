/**
 * What a terminal can show, as the environment tells it.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** It appends and nothing else (`TERM=dumb`, terminfo(5)): escape sequences would be seen as they are. */
export const isDumb = ({ TERM }: Environment): boolean => TERM === "dumb";

/** `$NO_COLOR` is set, as no-color.org has it, or the terminal has none. */
export const isColourless = (env: Environment): boolean => (env.NO_COLOR ?? "") !== "" || isDumb(env);

/** The encoding of its characters, by the first of these that is set (locale(7)); none of them is the locale C. */
export function isUtf8({ LC_ALL, LC_CTYPE, LANG }: Environment): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "");
}
