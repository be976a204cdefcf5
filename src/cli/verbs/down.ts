import { existsSync } from "node:fs";
import type { Command } from "commander";
import { pidFilePath } from "../../config/paths.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { ExitCode, exitCodeOf, messageOf, WgmeshError } from "../../core/errors.ts";
import {
  identifyDaemon,
  identifyFromPidFile,
  isAlive,
  type ProcessIdentity,
  signal,
} from "../../launch/processes.ts";
import { callOnce, RpcClient } from "../../rpc/client.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { jsonText } from "../render.ts";
import { withStaleNote } from "../staleNote.ts";
import type { Terminal } from "../terminal.ts";

/** The daemon's own deadline is 10 s (row C4); the rest is for a slow machine. */
const ORDERLY_MS = 15_000;
/** The kernel ends a killed process at once, but an interface with many peers takes a while to go. */
const KILLED_MS = 5000;
const POLL_MS = 25;

/** `cleared`: there was no daemon, but a trace of one that crashed. */
type Outcome = "stopped" | "terminated" | "killed" | "cleared";

/** `wgmesh down`: an orderly end; with `--force` a sure one (row G1). */
export function addDown(program: Command, terminal: Terminal): void {
  const command = program
    .command("down")
    .description("stop the daemon and wait until it is gone")
    .option(
      "--force",
      "when it does not answer: SIGTERM, and SIGKILL if that does not help; after a crash: put forwarding and routing rules back",
    )
    .action(async () => {
      const location = readLocation(command, terminal);
      const force = command.opts<{ force?: true }>().force === true;
      const outcome = await withProgress(terminal, "stopping", () =>
        stopDaemon(location, force, terminal.clock),
      );
      const told = outcome === "cleared" ? "no daemon is running; what the last one left is undone" : outcome;
      terminal.out(location.json ? jsonText({ outcome }) : `${location.interfaceName}: ${told}\n`);
    });
  addLocation(command);
}

async function stopDaemon(location: Location, force: boolean, clock: Clock): Promise<Outcome> {
  // Its processes are not here to be looked at.
  if (location.remote) {
    await callOnce({ ...location.client, clock }, "daemon.shutdown");
    return "stopped";
  }
  const recorded = identifyFromPidFile(pidFilePath(location));
  let daemon = recorded;
  let trouble: unknown;
  try {
    daemon = (await askToStop(location, clock)) ?? recorded;
    const gone = (): boolean => !existsSync(location.socket) && (daemon === null || !isAlive(daemon));
    if (await waitUntil(gone, ORDERLY_MS, clock)) return "stopped";
  } catch (error) {
    if (recorded === null || !isAlive(recorded)) {
      if (force && (await undoneAfterCrash(error, location))) return "cleared";
      throw withStaleNote(error, location);
    }
    // Who may not ask may not signal either, unless he is root or its user; force finds out.
    if (!force && exitCodeOf(error) === ExitCode.permission) throw error;
    trouble = error;
  }
  if (!force || daemon === null) throw stillThere(location, daemon, trouble);
  return await end(daemon, location, clock);
}

/** Whether a daemon that is gone had left something on the host, which is undone now. */
async function undoneAfterCrash(error: unknown, location: Location): Promise<boolean> {
  if (!(error instanceof WgmeshError) || error.code !== "ERR_NOT_RUNNING") return false;
  const { undoLeftovers } = await import("../../daemon/alone.ts");
  return await undoLeftovers(location);
}

/** Asks over RPC; resolves to the process that answered, or null when the daemon is too young to say. */
async function askToStop(location: Location, clock: Clock): Promise<ProcessIdentity | null> {
  const client = await RpcClient.connect({ ...location.client, clock, retryMs: 0 });
  try {
    const status = await client.call("daemon.status").catch((error: unknown) => {
      if (error instanceof WgmeshError && error.code === "ERR_NOT_READY") return null;
      throw error;
    });
    const daemon = status === null ? null : identifyDaemon(status.pid);
    await client.call("daemon.shutdown");
    return daemon;
  } finally {
    client.close();
  }
}

async function end(daemon: ProcessIdentity, location: Location, clock: Clock): Promise<Outcome> {
  const gone = (): boolean => !isAlive(daemon);
  sent(daemon, "SIGTERM");
  if (await waitUntil(gone, ORDERLY_MS, clock)) return "terminated";
  sent(daemon, "SIGKILL");
  if (await waitUntil(gone, KILLED_MS, clock)) return "killed";
  throw stillThere(location, daemon);
}

function sent(daemon: ProcessIdentity, name: "SIGTERM" | "SIGKILL"): void {
  try {
    signal(daemon, name);
  } catch (cause) {
    throw new WgmeshError(
      "ERR_PERMISSION",
      `cannot end the daemon (PID ${daemon.pid}): ${messageOf(cause)}`,
      {
        cause,
        hint: "run as root, or as the user that runs wgmeshd",
      },
    );
  }
}

async function waitUntil(condition: () => boolean, limitMs: number, clock: Clock): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + limitMs;
  while (!condition()) {
    if (clock.monotonicMs() >= deadlineMs) return false;
    await sleep(clock, POLL_MS);
  }
  return true;
}

function stillThere(location: Location, daemon: ProcessIdentity | null, cause?: unknown): WgmeshError {
  const process = daemon === null ? "the daemon" : `the daemon (PID ${daemon.pid})`;
  const reason = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return new WgmeshError("ERR_TIMEOUT", `${process} of ${location.interfaceName} is still there${reason}`, {
    hint: "look at its log, or use --force",
    cause,
  });
}
