import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { messageOf, WgmeshError } from "../core/errors.ts";

/** Writes a file that is not there yet, for its owner alone: all of it, or no file. Throws ERR_USAGE. */
export function writeNewFile(path: string, text: string): void {
  try {
    const fd = openSync(path, "wx", 0o600);
    try {
      writeSync(fd, text);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `--output: cannot make ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "name a file that is not there yet, in a folder that you can write",
    });
  }
}
