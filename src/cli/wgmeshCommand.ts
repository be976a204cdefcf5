/**
 * The command line of `wgmesh`: one verb a file below verbs/.
 */
import type { ExitCode } from "../core/errors.ts";
import { exitCodesText, makeCommand, runCommand } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import { addAudit } from "./verbs/audit.ts";
import { addBackup, addExport } from "./verbs/backup.ts";
import { addBugreport } from "./verbs/bugreport.ts";
import { addCompletion } from "./verbs/completion.ts";
import { addConfig } from "./verbs/config.ts";
import { addDebug } from "./verbs/debug.ts";
import { addDoctor } from "./verbs/doctor.ts";
import { addDown } from "./verbs/down.ts";
import { addEvents } from "./verbs/events.ts";
import { addImport } from "./verbs/import.ts";
import { addInit } from "./verbs/init.ts";
import { addInstallService, addUninstallService } from "./verbs/installService.ts";
import { addLogs } from "./verbs/logs.ts";
import { addMetrics } from "./verbs/metrics.ts";
import { addNetcheck } from "./verbs/netcheck.ts";
import { addPeers } from "./verbs/peers.ts";
import { addPing } from "./verbs/ping.ts";
import { addQr } from "./verbs/qr.ts";
import { addReconcile } from "./verbs/reconcile.ts";
import { addReload } from "./verbs/reload.ts";
import { addRestart } from "./verbs/restart.ts";
import { addRotateSecret } from "./verbs/rotateSecret.ts";
import { addStatus } from "./verbs/status.ts";
import { addTestPeer } from "./verbs/testPeer.ts";
import { addToken } from "./verbs/token.ts";
import { addUp } from "./verbs/up.ts";

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
  wgmesh down
`;

/** In the order of the help. */
const verbs = [
  addInit,
  addQr,
  addUp,
  addDown,
  addRestart,
  addReload,
  addStatus,
  addPeers,
  addEvents,
  addLogs,
  addAudit,
  addPing,
  addTestPeer,
  addNetcheck,
  addDoctor,
  addReconcile,
  addConfig,
  addRotateSecret,
  addBackup,
  addExport,
  addImport,
  addInstallService,
  addUninstallService,
  // Rarely used.
  addCompletion,
  addMetrics,
  addBugreport,
  addDebug,
  addToken,
];

export function runWgmesh(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const program = makeCommand("wgmesh", terminal)
    .usage("COMMAND [options]")
    .description("Looks at and steers the wgmesh daemon of this machine (wgmeshd).")
    .option("-v, --version", "print the version")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", exitCodesText() + examples);
  for (const add of verbs) add(program, terminal);
  return runCommand(program, args, terminal);
}
