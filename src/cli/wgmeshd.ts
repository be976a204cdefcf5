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
  const { main } = await import("./daemonMain.ts");
  process.exit(await main());
}
