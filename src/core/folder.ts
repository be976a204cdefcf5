import { chmodSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder, and those above it that are missing, with just this mode: mkdir(2) would take off it what the umask forbids, and with
 * that of a daemon in the background (077) the group of a socket could not get to it. What exists is left as its owner set it up.
 */
export function makeFolderSync(path: string, mode: number): void {
  const whole = resolve(path);
  const first = mkdirSync(whole, { recursive: true, mode });
  if (first === undefined) return;
  for (let made = whole; made.length >= first.length; made = dirname(made)) chmodSync(made, mode);
}
