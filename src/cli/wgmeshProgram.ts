/**
 * `wgmesh` before it has verbs: its own help and options.
 */
import type { Command } from "commander";
import { exitCodesText, makeCommand } from "./command.ts";
import type { Terminal } from "./terminal.ts";

const examples = `
Examples:
  wgmesh init > mesh.secret             make a secret (umask 077 first)
  wgmesh up --secret-file mesh.secret   start the daemon, unless it runs already
  wgmesh status                         the daemon of wg0
  wgmesh status --iface wg1 --json      another one, for scripts
  wgmesh status --secret-file FILE      what follows from a secret, without a daemon
  wgmesh peers list
  wgmesh ping PEER --until-direct
  wgmesh test-peer HOST --secret-file FILE    does that node answer?
  wgmesh doctor                         what is wrong with this machine?
  wgmesh backup node.json --seal        key, peers and settings of this node
  wgmesh import node.json --dry-run     what that would change here
  wgmesh rotate-secret --output FILE    a new secret for the whole mesh
  wgmesh client add phone --qr          let a phone in, through this node
  wgmesh down
`;

export function makeProgram(terminal: Terminal): Command {
  return makeCommand("wgmesh", terminal)
    .usage("COMMAND [options]")
    .description("Looks at and steers the wgmesh daemon of this machine (wgmeshd).")
    .option("-v, --version", "print the version")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", exitCodesText() + examples);
}
