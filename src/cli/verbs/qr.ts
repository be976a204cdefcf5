import type { Command } from "commander";
import { addOptions, readOptions } from "../../config/flags.ts";
import { type OptionTable, type SecretOptions, secretOptions } from "../../config/options.ts";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import { drawnForm, intoNewFile, pictureForm, STDOUT } from "../picture.ts";
import type { Terminal } from "../terminal.ts";

type QrOptions = Omit<SecretOptions, "allowWeakSecret">;

const options: OptionTable<QrOptions> = {
  secretFile: secretOptions.secretFile,
  secret: secretOptions.secret,
};

/** `wgmesh qr`: the secret as a picture that a phone scans (row B5). The addon draws and writes it: row B4. */
export function addQr(program: Command, terminal: Terminal): void {
  const command = program
    .command("qr")
    .description("draw the secret's URI as a QR code, for a phone to scan; whoever sees it has the secret")
    .option("-o, --output <file>", "write it to this new file, .svg or .png, mode 0600")
    .option("--force", "draw it also where standard output is no terminal")
    .action(async () => {
      const { output, force } = command.opts<{ output?: string; force?: true }>();
      const form = output === undefined ? null : checkedForm(output);
      if (form === null && terminal.columns === null && force !== true) {
        throw new WgmeshError("ERR_USAGE", "standard output is no terminal, and the picture is the secret", {
          hint: "write it to a file with --output FILE.png, or say --force",
        });
      }
      const { openMeshSecret } = await import("../../identity/meshSecret.ts");
      // Nothing is joined here, so a weak secret is no reason to refuse.
      const request = { ...readOptions(command, options, {}), allowWeakSecret: true };
      const { secret, warnings } = openMeshSecret(request);
      for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
      const draw = (fd: number, as: Parameters<typeof secret.writeQr>[1]): void =>
        drawn(() => secret.writeQr(fd, as));
      if (output !== undefined && form !== null) {
        intoNewFile(output, (fd) => draw(fd, form));
        return terminal.out(`${output}: whoever sees it has the secret\n`);
      }
      draw(STDOUT, drawnForm(terminal));
    });
  addOptions(command, options);
}

function checkedForm(output: string): "svg" | "png" {
  const form = pictureForm(output);
  if (form !== null) return form;
  throw new WgmeshError("ERR_USAGE", `--output: ${JSON.stringify(output)} ends neither in .svg nor in .png`);
}

function drawn(draw: () => void): void {
  try {
    draw();
  } catch (cause) {
    const isOurs = (cause as { code?: unknown }).code === "EINVAL";
    throw new WgmeshError(
      isOurs ? "ERR_SECRET_URI" : "ERR_SYSTEM",
      messageOf(cause).replace(/^[A-Z_]+: /, ""),
      {
        cause,
        ...(isOurs ? { hint: "make a secret that fits with 'wgmesh init'" } : {}),
      },
    );
  }
}
