/**
 * Programs of the operator that run when the interface comes and goes (row G10).
 */
import { WgmeshError } from "../core/errors.ts";
import { checkTrustedProgram } from "../core/trustedProgram.ts";
import { type OptionTable, value } from "./optionRow.ts";
import { type Problem, problemOf } from "./problem.ts";
import { shaped, type ValueParser } from "./shape.ts";

export interface HookOptions {
  /** Absolute; run once the interface is up with its addresses. Null runs nothing. */
  readonly upHook: string | null;
  /** Absolute; run before the interface goes. Null runs nothing. */
  readonly downHook: string | null;
}

/** The path of a program, whole, since nothing looks it up. */
const program: ValueParser<string> = shaped({ kind: "text", path: true }, (text, source) => {
  if (text.startsWith("/") && !text.includes("\0")) return text;
  throw new WgmeshError(
    "ERR_USAGE",
    `${source}: ${JSON.stringify(text)} is not the whole path of a program`,
    {
      hint: "begin it with /; it is run as it is, without arguments and without a shell",
    },
  );
});

export const hookOptions: OptionTable<HookOptions> = {
  upHook: {
    flag: "--up-hook",
    group: "Process",
    help: "run this program when the interface is up: its whole path, no arguments, no shell (default: none)",
    example: "/etc/wgmesh/up",
    default: null,
    form: value("PROGRAM", program),
  },
  downHook: {
    flag: "--down-hook",
    group: "Process",
    help: "run this program before the interface goes away, for 10 s at most (default: none)",
    example: "/etc/wgmesh/down",
    default: null,
    form: value("PROGRAM", program),
  },
};

/**
 * Why the hooks would not be run.
 *
 * @param place names where the value of a key stands.
 * @param daemonUser who runs the daemon.
 */
export function hookProblems(
  { upHook, downHook }: HookOptions,
  place: (key: string) => string,
  daemonUser: number,
): Problem[] {
  const hooks = { "up-hook": upHook, "down-hook": downHook };
  return Object.entries(hooks).flatMap(([key, path]) => {
    if (path === null) return [];
    try {
      checkTrustedProgram(path, place(key), [0, daemonUser]);
      return [];
    } catch (error) {
      return [problemOf(error)];
    }
  });
}
