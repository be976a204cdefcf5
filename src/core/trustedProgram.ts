/**
 * Whether a program that the operator names may be run by a daemon that is often root: whoever can change it commands the daemon.
 */
import { closeSync, constants, lstatSync, openSync, readSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { messageOf, WgmeshError } from "./errors.ts";

const WRITABLE_BY_OTHERS = 0o022;
const EXECUTABLE = 0o111;
const STICKY = 0o1000;

/** ELF, and the three of macOS: this byte order, the other one, several architectures. */
const PROGRAM_MAGICS = ["7f454c46", "cffaedfe", "feedfacf", "cafebabe"];

/**
 * Throws ERR_HOOK unless `path` is a regular file that can be executed, belongs to one of the users, and cannot be written, moved or
 * replaced by anybody else: so the same of all its folders. Symbolic links are refused, since the folders of each of their steps would
 * have to be looked at. What execve(2) does not take is refused too, since libraries hand it to a shell then.
 *
 * @param source where the path stands, for the message.
 * @param users ids of the users whose files are trusted.
 */
export function checkTrustedProgram(path: string, source: string, users: readonly number[]): void {
  const refuse = (what: string, hint?: string): never => {
    const message = `${source}: ${path} is not run: ${what}`;
    throw new WgmeshError("ERR_HOOK", message, hint === undefined ? {} : { hint });
  };
  try {
    const real = realpathSync(path);
    if (real !== path) refuse(`it goes over a symbolic link to ${real}`, `name ${real}`);
    const stats = lstatSync(path);
    if (!stats.isFile()) refuse("it is no regular file");
    if ((stats.mode & EXECUTABLE) === 0) refuse("it is not executable", `chmod 755 ${path}`);
    const open = whoElseWrites(path, stats, users);
    if (open !== null) refuse(open.what, open.hint);
    if (!isRunnable(path)) {
      refuse("it is neither a program nor a script that names its interpreter", "begin it with #!/bin/sh");
    }
  } catch (error) {
    if (error instanceof WgmeshError) throw error;
    refuse(messageOf(error));
  }
}

interface Opening {
  readonly what: string;
  readonly hint: string;
}

function whoElseWrites(path: string, stats: Stats, users: readonly number[]): Opening | null {
  for (let place = path, facts = stats; ; place = dirname(place), facts = lstatSync(place)) {
    const what = place === path ? "it" : `its folder ${place}`;
    if (!users.includes(facts.uid)) {
      const hint = `chown root ${place}`;
      return { what: `${what} belongs to user ${facts.uid}, who is neither root nor the daemon's`, hint };
    }
    // What lies in a sticky folder (/tmp) can be moved and replaced by its owner only.
    const isSticky = facts.isDirectory() && (facts.mode & STICKY) !== 0;
    if ((facts.mode & WRITABLE_BY_OTHERS) !== 0 && !isSticky) {
      const mode = (facts.mode & 0o7777).toString(8);
      return { what: `${what} can be written by others (mode ${mode})`, hint: `chmod go-w ${place}` };
    }
    if (place === dirname(place)) return null;
  }
}

function isRunnable(path: string): boolean {
  const file = openSync(path, constants.O_RDONLY);
  try {
    const start = Buffer.alloc(4);
    readSync(file, start, 0, start.length, 0);
    return start.toString("latin1", 0, 2) === "#!" || PROGRAM_MAGICS.includes(start.toString("hex"));
  } finally {
    closeSync(file);
  }
}
