import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { daemonOptions } from "../../../src/config/options.ts";
import { wgmesh } from "./run.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** What is typed, `@` for the tab key, and what the shell then runs. */
const typed: readonly (readonly [line: string, ran: string])[] = [
  ["wgmesh sta@", "status"],
  ["wgmesh config ch@", "config check"],
  ["wgmesh config set log-l@ debug", "config set log-level debug"],
  ["wgmesh status --ifa@ wg1 --js@", "status --iface wg1 --json"],
  ["wgmesh peers li@", "peers list"],
  ["wgmesh completion fi@", "completion fish"],
  ["wgmeshd --backend em@", "--backend embedded"],
  ["wgmeshd --accept-routes=non@", "--accept-routes=none"],
  ["wgmeshd --no-lan@", "--no-lan-discovery"],
  ["wgmeshd --secret-file mesh@", "--secret-file mesh.secret"],
  ["wgmeshd --state-dir stat@", "--state-dir statefolder"],
];

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-tab-"));
  writeFileSync(join(folder, "mesh.secret"), "");
  writeFileSync(join(folder, "statefile"), "");
  mkdirSync(join(folder, "statefolder"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function press(shell: string, script: string): Promise<string[]> {
  const program = new URL("pressTab.py", import.meta.url).pathname;
  return new Promise((resolve, reject) => {
    const child = execFile("python3", [program, shell, script, folder], (error, stdout, stderr) => {
      if (error) reject(new Error(stderr));
      else resolve(stdout.trimEnd().split("\n"));
    });
    child.stdin?.end(typed.map(([line]) => `${line}\n`).join(""));
  });
}

describe.each(SHELLS)("completion in %s", (shell) => {
  test("completes commands, options and values of both binaries", { timeout: 120_000 }, async () => {
    const { code, out } = await wgmesh(["completion", shell]);
    expect(code).toBe(0);
    const script = join(folder, `script.${shell}`);
    writeFileSync(script, out);
    const ran = await press(shell, script);
    // Whether a shell puts a slash behind a folder is its own affair.
    expect(ran.map((line) => line.replace(/\/$/, ""))).toEqual(typed.map(([, line]) => line));
  });

  test("knows every option of the daemon", async () => {
    const { out } = await wgmesh(["completion", shell]);
    for (const { flag } of Object.values(daemonOptions)) {
      expect(out).toContain(shell === "fish" ? `-l ${flag.slice(2)} ` : flag);
    }
  });
});

test("another shell is refused, and those that there are are named", async () => {
  const { code, err } = await wgmesh(["completion", "tcsh"]);
  expect([code, err]).toEqual([2, expect.stringContaining("bash, zsh, fish")]);
});
