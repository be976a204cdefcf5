import { Argument, type Command } from "commander";
import { WgmeshError } from "../../core/errors.ts";
import { bashScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
import { type CompletionCommand, completionModel } from "../completion/model.ts";
import { zshScript } from "../completion/zsh.ts";
import { daemonCommand } from "../daemonCommand.ts";
import type { Terminal } from "../terminal.ts";

const scripts = new Map([
  ["bash", bashScript],
  ["zsh", zshScript],
  ["fish", fishScript],
]);

const how = `
Load it for this shell, or put it where the shell looks for completions:
  source <(wgmesh completion bash)      /usr/share/bash-completion/completions/wgmesh
  source <(wgmesh completion zsh)       a file _wgmesh in a folder of $fpath
  wgmesh completion fish | source       ~/.config/fish/completions/wgmesh.fish
`;

/** `wgmesh completion SHELL`: made from the commands and options themselves, of both binaries. */
export function addCompletion(program: Command, terminal: Terminal): void {
  const shell = new Argument("<shell>", [...scripts.keys()].join(", "));
  shell.argChoices = [...scripts.keys()];
  program
    .command("completion")
    .description("print what completes wgmesh and wgmeshd in a shell")
    .addArgument(shell)
    .addHelpText("after", how)
    .action((name: string) => {
      const script = scripts.get(name);
      if (script === undefined) {
        throw new WgmeshError("ERR_USAGE", `no completion for ${JSON.stringify(name)}`, {
          hint: `use one of: ${[...scripts.keys()].join(", ")}`,
        });
      }
      const roots: CompletionCommand[] = [program, daemonCommand(terminal)].map((root) =>
        completionModel(root),
      );
      terminal.out(script(roots));
    });
}
