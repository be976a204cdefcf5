/**
 * Where the configuration of a client goes: standard output, a new file, or a picture that a phone scans.
 */
import { lstatSync } from "node:fs";
import type { Command } from "commander";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { ClientResult } from "../rpc/client.ts";
import type { Chosen } from "./clientChoice.ts";
import { writeNewFile } from "./newFile.ts";
import { drawnForm, intoNewFile, type PictureForm, pictureForm, STDOUT } from "./picture.ts";
import { jsonText } from "./render.ts";
import type { Terminal } from "./terminal.ts";

export interface ClientPaper {
  /** Null for standard output. */
  readonly output: string | null;
  readonly qr: boolean;
  readonly json: boolean;
}

/** Adds `--output` and `--qr`. */
export function addClientPaper(command: Command): Command {
  return command
    .option(
      "-o, --output <file>",
      "write the configuration to this new file, mode 0600; with --qr and .svg or .png, the picture",
    )
    .option("--qr", "draw it as a QR code, which the WireGuard app of a phone scans");
}

/** Throws ERR_USAGE for what cannot be shown so, before anything is done. */
export function readClientPaper(command: Command, { columns }: Terminal): ClientPaper {
  const {
    output = null,
    qr = false,
    json = false,
  } = command.opts<{
    output?: string;
    qr?: boolean;
    json?: boolean;
  }>();
  const isPicture = output !== null && pictureForm(output) !== null;
  if (qr && json && !isPicture) {
    throw new WgmeshError("ERR_USAGE", "--qr and --json exclude each other", {
      hint: "add --output FILE.png for a picture file",
    });
  }
  if (isPicture && !qr) {
    throw new WgmeshError("ERR_USAGE", `--output: ${JSON.stringify(output)} is the name of a picture`, {
      hint: "add --qr, or choose another name, such as phone.conf",
    });
  }
  if (qr && !isPicture && columns === null) {
    throw new WgmeshError("ERR_USAGE", "--qr: standard output is no terminal", {
      hint: "write the picture to a file with --output FILE.png",
    });
  }
  if (output !== null && lstatSync(output, { throwIfNoEntry: false }) !== undefined) {
    throw new WgmeshError("ERR_USAGE", `--output: ${output} exists already`, {
      hint: "name a file that is not there yet",
    });
  }
  return { output, qr, json };
}

/** Draws a text to a descriptor (the addon's `writeTextQr`). */
export type DrawText = (text: string, fd: number, form: PictureForm) => void;

/** All of it, or an error and no file. Throws ERR_USAGE. */
export function showConfiguration(
  text: string,
  client: ClientResult,
  { endpoint, allowedIps, warnings }: Chosen,
  { output, qr, json }: ClientPaper,
  draw: DrawText,
  terminal: Terminal,
): void {
  const form = output === null ? null : pictureForm(output);
  if (output !== null && form !== null) intoNewFile(output, (fd) => drawn(() => draw(text, fd, form)));
  else if (output !== null) writeNewFile(output, text);
  if (json) {
    const paper = output === null ? { configuration: text } : { file: output };
    terminal.out(jsonText({ client, endpoint, allowed_ips: allowedIps, warnings, ...paper }));
    return;
  }
  if (qr && form === null) drawn(() => draw(text, STDOUT, drawnForm(terminal)));
  else if (output === null) terminal.out(text);
  if (output !== null) terminal.out(`${output}: the configuration of ${client.name}\n`);
  for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
}

function drawn(draw: () => void): void {
  try {
    draw();
  } catch (cause) {
    const isLong = (cause as { code?: unknown }).code === "EINVAL";
    const said = messageOf(cause).replace(/^[A-Z_]+: /, "");
    throw new WgmeshError(isLong ? "ERR_USAGE" : "ERR_SYSTEM", `--qr: ${said}`, {
      cause,
      ...(isLong ? { hint: "leave --qr out, or give fewer networks with --allowed-ips" } : {}),
    });
  }
}
