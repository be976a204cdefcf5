import type { Command } from "commander";
import { printable } from "../../core/text.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, readLocation } from "../location.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh metrics`: what Prometheus would read, without a listener. */
export function addMetrics(program: Command, terminal: Terminal): void {
  const command = program
    .command("metrics")
    .description("print the daemon's metrics, in the format of Prometheus")
    .action(async () => {
      const { client, json } = readLocation(command, terminal);
      const result = await callOnce(client, "metrics.get");
      terminal.out(json ? jsonText(result) : result.text.split("\n").map(printable).join("\n"));
    });
  addLocation(command);
}
