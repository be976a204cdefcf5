#!/usr/bin/env node
import { version } from "../core/version.ts";
/**
 * `wgmeshd`: the daemon. The version is answered before anything else is loaded.
 */
import { asksForVersion } from "./asksForVersion.ts";

// Before anything else: without a listener Node.js opens its debugger to the host on SIGUSR1.
process.on("SIGUSR1", () => {});

if (asksForVersion(process.argv)) {
  process.stdout.write(`${version}\n`);
} else {
  const [{ runDaemon }, { startDaemon, reporting }, { takeLaunch }, { processTerminal }] = await Promise.all([
    import("./daemonCommand.ts"),
    import("./startDaemon.ts"),
    import("../launch/launch.ts"),
    import("./terminal.ts"),
  ]);
  const launch = takeLaunch(process.env);
  const report = reporting(processTerminal, launch);
  process.exit(
    await runDaemon(process.argv.slice(2), report.terminal, (request) =>
      startDaemon(request, report, launch),
    ),
  );
}
