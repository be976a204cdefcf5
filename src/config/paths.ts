/**
 * Where one node keeps its files. `state` ones survive a stop, `run` ones are gone after it (but for the lock file).
 */
import { join } from "node:path";
import type { DaemonOptions, LocationOptions } from "./options.ts";
import { logTargetOf } from "./processOptions.ts";
import { socketPath } from "./values.ts";

/** The RPC socket: `--socket-path`, `$WGMESH_SOCKET`, or `<run-dir>/<interface>.sock`. */
export function rpcSocketPath(options: LocationOptions): string {
  // Checked again because a long --run-dir can make the default too long for the kernel.
  return options.socketPath ?? socketPath(join(options.runDir, `${options.interfaceName}.sock`), "--run-dir");
}

/** The PID file; it informs, the lock decides (row F2). */
export function pidFilePath(options: Pick<DaemonOptions, "interfaceName" | "runDir">): string {
  return join(options.runDir, `${options.interfaceName}.pid`);
}

/** What is known of the child process that moves packets, while there is one (row C9). */
export function childRecordPath(options: Pick<DaemonOptions, "interfaceName" | "runDir">): string {
  return join(options.runDir, `${options.interfaceName}.child.json`);
}

/** How far a start is (launch/progress.ts), while there is one. */
export function startingPath(options: Pick<DaemonOptions, "interfaceName" | "runDir">): string {
  return join(options.runDir, `${options.interfaceName}.starting`);
}

/** Who starts the daemon; a lock of `wgmesh up`, so that many of them start one. */
export function launchLockPath(options: Pick<DaemonOptions, "interfaceName" | "runDir">): string {
  return join(options.runDir, `${options.interfaceName}.launch`);
}

/** What a daemon leaves to the one it becomes by `wgmesh restart` (daemon/handover.ts). */
export function handoverPath(options: Pick<DaemonOptions, "interfaceName" | "runDir">): string {
  return join(options.runDir, `${options.interfaceName}.handover.json`);
}

/** The log file of a daemon in the background, or the one that was chosen; null when the log goes elsewhere. */
export function logFilePath(
  options: Pick<DaemonOptions, "interfaceName" | "stateDir" | "logTarget" | "logFile" | "daemon">,
): string | null {
  if (options.logFile !== null || logTargetOf(options) !== "file") return options.logFile;
  // Not in /var/log: nodes of several namespaces share no folder but by wish (row F2).
  return join(options.stateDir, `${options.interfaceName}.log`);
}

type StateLocation = Pick<DaemonOptions, "interfaceName" | "stateDir">;

/** Key pair and pinned addresses (PROTOCOL.md section 14). */
export function stateFilePath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}.json`);
}

/** Peer cache (PROTOCOL.md section 14). */
export function peerCachePath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}-peers.json`);
}

/**
 * Nodes of the DHT met before (PROTOCOL.md section 8), in the name and the format of the Go peer.
 *
 * @param networkId hex; its first 8 bytes are part of the name.
 */
export function dhtNodesPath(options: StateLocation, networkId: string): string {
  return join(options.stateDir, `${options.interfaceName}-${networkId.slice(0, 16)}-dht.nodes`);
}

/** Who changed what (row G5). */
export function auditPath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}.audit.jsonl`);
}

/** Devices that reach the mesh through this node (peers/clientsFile.ts). */
export function clientsPath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}.clients.json`);
}

/** What SIGHUP reads (row C5). */
export function reloadFilePath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}.reload`);
}

/** What `config set --keep` keeps; a file of the same kind as the configuration. */
export function keptSettingsPath(options: StateLocation): string {
  return join(options.stateDir, `${options.interfaceName}.settings.toml`);
}

/** What a move to a new secret keeps (daemon/rotation/files.ts). */
export function rotationPath(
  options: StateLocation,
  what: "rotation.json" | "rotation-addresses.json" | "next-secret" | "offered-secret",
): string {
  return join(options.stateDir, `${options.interfaceName}.${what}`);
}
