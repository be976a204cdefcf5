/**
 * The command line of `wgmesh`: one verb a file below verbs/.
 */
import type { ExitCode } from "../core/errors.ts";
import { runCommand } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import { addAudit } from "./verbs/audit.ts";
import { addBackup, addExport } from "./verbs/backup.ts";
import { addBugreport } from "./verbs/bugreport.ts";
import { addClient } from "./verbs/client.ts";
import { addCompletion } from "./verbs/completion.ts";
import { addConfig } from "./verbs/config.ts";
import { addDebug } from "./verbs/debug.ts";
import { addDoctor } from "./verbs/doctor.ts";
import { addDown } from "./verbs/down.ts";
import { addEvents } from "./verbs/events.ts";
import { addFirewall } from "./verbs/firewall.ts";
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
import { makeProgram } from "./wgmeshProgram.ts";

export { processTerminal } from "./terminal.ts";

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
  addFirewall,
  addReconcile,
  addConfig,
  addRotateSecret,
  addClient,
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
  const program = makeProgram(terminal);
  for (const add of verbs) add(program, terminal);
  return runCommand(program, args, terminal);
}
