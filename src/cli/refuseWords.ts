import type { Command } from "commander";
import { WgmeshError } from "../core/errors.ts";
import { usageHint } from "./command.ts";

/** For a `list` that is what its parent does without a command: a word that is no command is called that. Throws ERR_USAGE. */
export function refuseWords(list: Command): void {
  const [word] = list.args;
  const { parent } = list;
  if (word === undefined || parent === null) return;
  throw new WgmeshError("ERR_USAGE", `${parent.name()}: unknown command '${word}'; list takes no argument`, {
    hint: usageHint(["wgmesh", parent.name()], parent),
  });
}
