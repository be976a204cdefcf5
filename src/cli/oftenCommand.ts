/**
 * The command line of `wgmesh` where it begins with a verb of `oftenAsked.ts`. The other verbs, and what they need of Node.js, are
 * not loaded: that would take as long as everything else.
 */
import type { ExitCode } from "../core/errors.ts";
import { runCommand } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import { addPeers } from "./verbs/peers.ts";
import { addStatus } from "./verbs/status.ts";
import { makeProgram } from "./wgmeshProgram.ts";

export { processTerminal } from "./terminal.ts";

export function runWgmesh(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const program = makeProgram(terminal);
  for (const add of [addStatus, addPeers]) add(program, terminal);
  return runCommand(program, args, terminal);
}
