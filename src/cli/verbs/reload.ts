import type { Command } from "commander";
import { printable } from "../../core/text.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, readLocation } from "../location.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { changesText } from "./configChanges.ts";

/** `wgmesh reload`: as SIGHUP, but waits and says what came of it (row C5). */
export function addReload(program: Command, terminal: Terminal): void {
  const command = program
    .command("reload")
    .description("have the daemon read its configuration file and its reload file, and say what changed")
    .action(async () => {
      const { client: place, json } = readLocation(command, terminal);
      const result = await callOnce({ ...place, timeoutMs: 30_000 }, "daemon.reload");
      if (json) return terminal.out(jsonText(result));
      if (result.warning !== null) terminal.err(`wgmesh: warning: ${printable(result.warning)}\n`);
      terminal.out(changesText(result));
    });
  addLocation(command);
}
