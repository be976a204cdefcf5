import type { Command } from "commander";
import { WgmeshError } from "../../core/errors.ts";
import { RpcClient } from "../../rpc/client.ts";
import { findPeer } from "../findPeer.ts";
import { addLocation, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh reconcile` (row G7): brings the interface up to date now, what fails included. */
export function addReconcile(program: Command, terminal: Terminal): void {
  const command = program
    .command("reconcile")
    .description("bring the interface up to date now, and try again at once what failed")
    .option("--peer <peer>", "of what failed this peer alone: its public key, mesh address or host name")
    .action(async () => {
      const { client: place, json } = readLocation(command, terminal);
      const { peer } = command.opts<{ peer?: string }>();
      const client = await RpcClient.connect({ ...place, timeoutMs: 30_000 });
      try {
        const params = peer === undefined ? {} : { peer: (await findPeer(client, peer)).pubkey };
        const result = await withProgress(terminal, "reconciling", () =>
          client.call("reconcile.run", params),
        );
        const { changes, duration_ms, error, failing } = result;
        if (json) terminal.out(jsonText(result));
        else {
          terminal.out(`${changes} changes in ${duration_ms} ms\n`);
          const rows = failing.map(({ object, reason }) => [object, reason]);
          if (rows.length > 0) terminal.out(tableText(["FAILS", "WHY"], rows, terminal.columns));
        }
        if (error !== null) throw new WgmeshError("ERR_SYSTEM", error);
      } finally {
        client.close();
      }
    });
  addLocation(command);
}
