/**
 * All of `wgmeshd` but its version. One import, since each file that Node.js has to load costs a daemon's start about a millisecond.
 */
import { setFlagsFromString } from "node:v8";
import type { ExitCode } from "../core/errors.ts";
import { takeLaunch } from "../launch/launch.ts";
import { runDaemon } from "./daemonCommand.ts";
import { reporting, startDaemon } from "./startDaemon.ts";
import { processTerminal } from "./terminal.ts";

/** From this process's arguments and environment to its exit code. */
export function main(): Promise<ExitCode> {
  // V8 collects all of an idle heap again and again to win back a MiB: each time costs as much as the node does in a minute.
  setFlagsFromString("--no-memory-reducer-for-small-heaps");
  const launch = takeLaunch(process.env);
  const report = reporting(processTerminal, launch);
  return runDaemon(process.argv.slice(2), report.terminal, (request) => startDaemon(request, report, launch));
}
