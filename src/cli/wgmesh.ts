#!/usr/bin/env node
import { version } from "../core/version.ts";
/**
 * `wgmesh`: the commands of an operator. The version is answered before anything else is loaded, and what is asked often without
 * loading all verbs.
 */
import { asksForVersion } from "./asksForVersion.ts";
import { isOftenAsked } from "./oftenAsked.ts";

if (asksForVersion(process.argv)) {
  process.stdout.write(`${version}\n`);
} else {
  const { runWgmesh, processTerminal } = isOftenAsked(process.argv)
    ? await import("./oftenCommand.ts")
    : await import("./wgmeshCommand.ts");
  // The reader of a pipe may leave before the end, as `head` does.
  process.stdout.on("error", () => process.exit(process.exitCode));
  // Not process.exit(): it would cut off output that a pipe has not taken yet.
  process.exitCode = await runWgmesh(process.argv.slice(2), processTerminal);
}
