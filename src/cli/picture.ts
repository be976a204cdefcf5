/**
 * QR codes where they are shown: a terminal, or a new picture file. Whoever sees one has what is in it.
 */
import { closeSync, openSync, rmSync } from "node:fs";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { isColourless } from "../core/terminalKind.ts";
import type { Terminal } from "./terminal.ts";

export type PictureForm = "terminal" | "plain" | "svg" | "png";

export const STDOUT = 1;
const MODE = 0o600;

/** The form of a picture file by its name; null for another name. */
export function pictureForm(output: string): "svg" | "png" | null {
  const [, form] = /\.(svg|png)$/i.exec(output) ?? [];
  return form === undefined ? null : (form.toLowerCase() as "svg" | "png");
}

/** How standard output takes it. */
export const drawnForm = ({ env }: Pick<Terminal, "env">): "terminal" | "plain" =>
  isColourless(env) ? "plain" : "terminal";

/** Gives `write` the descriptor of a new file of mode 0600: all of it, or no file. Throws ERR_USAGE, and what `write` throws. */
export function intoNewFile(path: string, write: (fd: number) => void): void {
  let fd: number;
  try {
    fd = openSync(path, "wx", MODE);
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `--output: cannot make ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "name a file that is not there yet, in a folder that you can write",
    });
  }
  try {
    write(fd);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}
