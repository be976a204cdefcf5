import type { Command } from "commander";
import { WgmeshError } from "../../core/errors.ts";
import { systemRandom } from "../../core/random.ts";
import { newToken } from "../../rpc/tokens.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh token new NAME`: what lets somebody call a daemon over the network. Needs no daemon. */
export function addToken(program: Command, terminal: Terminal): void {
  const token = program.command("token").description("tokens for callers over the network (--rpc-tokens)");
  const create = token
    .command("new <name>")
    .description("make a token, and the line of it for the daemon's file")
    .option("--role <role>", "readonly or admin", "readonly")
    .option("--json", "print JSON")
    .action((name: string) => {
      const { role, json } = create.opts<{ role: string; json?: true }>();
      if (role !== "admin" && role !== "readonly") {
        throw new WgmeshError("ERR_USAGE", `--role: ${JSON.stringify(role)} is neither readonly nor admin`);
      }
      const made = newToken(name, role, systemRandom);
      if (json === true) {
        terminal.out(jsonText(made));
        return;
      }
      terminal.out(`${made.token}\n`);
      terminal.err(
        `wgmesh: keep the token; it cannot be shown again. For the file of --rpc-tokens:\n${made.line}\n`,
      );
    });
}
