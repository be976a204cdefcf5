import type { Command } from "commander";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh init`: a new secret on standard output (row B5). */
export function addInit(program: Command, terminal: Terminal): void {
  program
    .command("init")
    .description("print a new mesh secret as a URI")
    .option("--json", "print JSON")
    .option("--secret", "accepted for compatibility; a secret is what init makes anyway")
    .action(async ({ json }: { json?: true }) => {
      const { generateSecretUri } = await import("../../identity/meshSecret.ts");
      const uri = generateSecretUri();
      terminal.out(json ? jsonText({ secret: uri }) : `${uri}\n`);
      if (terminal.columns !== null) {
        terminal.err("Whoever has this is a member of the mesh: keep it in a file only root can read.\n");
      }
    });
}
