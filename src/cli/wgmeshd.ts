#!/usr/bin/env node
import { version } from "../core/version.ts";
/**
 * `wgmeshd`: the daemon. The version is answered before anything else is loaded.
 */
import { asksForVersion } from "./asksForVersion.ts";

if (asksForVersion(process.argv)) {
  process.stdout.write(`${version}\n`);
} else {
  const [{ runDaemon }, { startDaemon }, { processTerminal }] = await Promise.all([
    import("./daemonCommand.ts"),
    import("./startDaemon.ts"),
    import("./terminal.ts"),
  ]);
  process.exit(await runDaemon(process.argv.slice(2), processTerminal, startDaemon));
}
