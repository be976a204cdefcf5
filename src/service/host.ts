/**
 * What an installation does to the machine; tests give another one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { WgmeshError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";

/** Paths are those of the installed machine. */
export interface ServiceHost {
  /** Null when there is none. */
  read(path: string): string | null;
  exists(path: string): boolean;
  /** In one step, its folders too. Rejects with ERR_STATE_WRITE. */
  write(path: string, data: string | Uint8Array, mode: number): Promise<void>;
  /** A symbolic link, in place of one that is there. */
  link(path: string, target: string): void;
  /** A file, or a folder with all that is in it; nothing when there is none. */
  remove(path: string): void;
  /** Names in a folder; none when it is not there. */
  list(folder: string): string[];
  /** Runs a program of the system to its end. Throws ERR_SYSTEM with what it said. */
  run(program: string, ...args: readonly string[]): void;
  /** Whether it ended well. */
  succeeds(program: string, ...args: readonly string[]): boolean;
}

/** What is run here is the system's own. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** @param root `""`, or the folder of another machine's files (--root): no program is run for that one. */
export function serviceHost(root: string): ServiceHost {
  const at = (path: string): string => join(root === "" ? "/" : root, path);
  const start = (program: string, args: readonly string[]) =>
    spawnSync(program, args, {
      encoding: "utf8",
      env: { PATH, LANG: "C.UTF-8", SYSTEMD_COLORS: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
  return {
    read: (path) => (existsSync(at(path)) ? readFileSync(at(path), "utf8") : null),
    exists: (path) => existsSync(at(path)),
    async write(path, data, mode) {
      mkdirSync(dirname(at(path)), { recursive: true, mode: 0o755 });
      await writeFileAtomic(at(path), data, mode);
    },
    link(path, target) {
      mkdirSync(dirname(at(path)), { recursive: true, mode: 0o755 });
      rmSync(at(path), { force: true });
      symlinkSync(target, at(path));
    },
    remove: (path) => rmSync(at(path), { recursive: true, force: true }),
    list: (folder) =>
      existsSync(at(folder)) && statSync(at(folder)).isDirectory() ? readdirSync(at(folder)) : [],
    run(program, ...args) {
      if (root !== "") return;
      const { status, stderr, error } = start(program, args);
      if (status === 0) return;
      const [said = ""] = (stderr ?? "").trim().split("\n");
      const reason = error?.message ?? (said === "" ? `it ended with ${status}` : said);
      throw new WgmeshError("ERR_SYSTEM", `${program} ${args.join(" ")}: ${reason}`);
    },
    succeeds: (program, ...args) => root === "" && start(program, args).status === 0,
  };
}
