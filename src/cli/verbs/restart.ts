import type { Command } from "commander";
import { startingPath } from "../../config/paths.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { WgmeshError } from "../../core/errors.ts";
import { POLL_MS, RestartPatience } from "../../launch/patience.ts";
import { identifyDaemon, isAlive, isBusy, type ProcessIdentity } from "../../launch/processes.ts";
import { readProgress } from "../../launch/progress.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { jsonText } from "../render.ts";
import { withStaleNote } from "../staleNote.ts";
import type { Terminal } from "../terminal.ts";

/** Nanoseconds in a millisecond. */
const NANOSECONDS = 1e6;

/** `wgmesh restart`: the daemon becomes a new one in its place, without a goodbye (rows C4, G1). */
export function addRestart(program: Command, terminal: Terminal): void {
  const command = program
    .command("restart")
    .description("start the daemon anew, with its options and secret; tunnels of the kernel backend stay")
    .action(async () => {
      const location = readLocation(command, terminal);
      const pid = await withProgress(terminal, "restarting", () => restart(location, terminal.clock));
      const name = location.interfaceName;
      terminal.out(
        location.json
          ? jsonText({ interface: name, outcome: "restarted", pid })
          : `${name}: restarted (PID ${pid})\n`,
      );
    });
  addLocation(command);
}

async function restart(location: Location, clock: Clock): Promise<number> {
  const client = { ...location.client, clock };
  const before = await callOnce(client, "daemon.status").catch((error: unknown) => {
    throw withStaleNote(error, location);
  });
  const daemon = location.remote ? null : identifyDaemon(before.pid);
  await callOnce(client, "daemon.restart");
  const askedMs = clock.monotonicMs();
  const patience = new RestartPatience(clock);
  for (;;) {
    await sleep(clock, POLL_MS);
    const status = await callOnce({ ...client, retryMs: 0 }, "daemon.status").catch(waitFor);
    if (status !== null && status.uptime / NANOSECONDS < clock.monotonicMs() - askedMs) return status.pid;
    const gone = daemon !== null && !isAlive(daemon);
    if (gone || !patience.lasts(signsOf(location, before.pid))) throw notBack(location, daemon, gone);
  }
}

/** Null while it is on its way. */
function waitFor(error: unknown): null {
  const passing = ["ERR_NOT_RUNNING", "ERR_NOT_READY"];
  if (error instanceof WgmeshError && passing.includes(error.code)) return null;
  throw error;
}

function signsOf(location: Location, pid: number) {
  return {
    pid,
    step: readProgress(startingPath(location))?.step ?? null,
    busy: location.remote || isBusy(pid),
  };
}

function notBack(location: Location, daemon: ProcessIdentity | null, gone: boolean): WgmeshError {
  const who = daemon === null ? "the daemon" : `the daemon (PID ${daemon.pid})`;
  const what = gone ? "ended and did not come back" : "does not answer again";
  return new WgmeshError("ERR_TIMEOUT", `${who} of ${location.interfaceName} ${what}`);
}
