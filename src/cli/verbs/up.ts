import type { Command } from "commander";
import { rpcSocketPath } from "../../config/paths.ts";
import { addRequestOptions, type DaemonRequest, readRequest } from "../daemonCommand.ts";
import { programPath } from "../programPath.ts";
import { type Quietly, withProgress } from "../progress.ts";
import { jsonText } from "../render.ts";
import { trustedUids } from "../serviceUser.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh up`: a daemon in the background, unless one answers already (rows F3, G1). */
export function addUp(program: Command, terminal: Terminal): void {
  const command = program
    .command("up")
    .description("start the daemon in the background, unless it runs already; takes every option of wgmeshd")
    .action(async () => {
      const json = command.opts<{ json?: true }>().json === true;
      const request = readRequest(command, terminal.env);
      const { pid, outcome, notes } = await withProgress(terminal, "starting", (quietly) =>
        bringUpHere(request, terminal, quietly),
      );
      for (const note of notes) terminal.err(`wgmesh: ${note}\n`);
      const name = request.options.interfaceName;
      terminal.out(json ? jsonText({ interface: name, outcome, pid }) : `${name}: ${outcome} (PID ${pid})\n`);
    });
  addRequestOptions(command);
  command.option("--json", "print JSON");
}

async function bringUpHere(
  { options, secret, commandLine }: DaemonRequest,
  terminal: Terminal,
  quietly: Quietly,
) {
  const { bringUp } = await import("../../launch/bringUp.ts");
  return await bringUp({
    options,
    program: programPath("wgmeshd"),
    commandLine: [...commandLine.filter((word) => word !== "--daemon"), "--daemon"],
    secretFd: () =>
      quietly(async () => {
        const { openMeshSecret } = await import("../../identity/meshSecret.ts");
        const found = openMeshSecret(secret);
        for (const warning of found.warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
        return found.secret.toPipe();
      }),
    client: { socketPath: rpcSocketPath(options), trustedUids: trustedUids() },
    env: terminal.env,
    clock: terminal.clock,
  });
}
