import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import type { WgmeshError } from "../../../src/core/errors.ts";
import { checkTrustedProgram } from "../../../src/core/trustedProgram.ts";

const own = process.geteuid?.() ?? 0;
const users = [0, own];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-program-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

function program(name = "up", text = "#!/bin/sh\n", mode = 0o755): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function madeFolder(name: string): string {
  const made = path.join(folder, name);
  mkdirSync(made);
  return made;
}

function refusal(file: string): { code: string; message: string; hint: string } | null {
  try {
    checkTrustedProgram(file, "--up-hook", users);
    return null;
  } catch (error) {
    const { code, message, hint } = error as WgmeshError;
    return { code, message, hint };
  }
}

test("a script and a program of ours are run", () => {
  expect(refusal(program())).toBeNull();
  expect(refusal(process.execPath)).toBeNull();
});

test.each<[string, () => string, string]>([
  ["is not there", () => path.join(folder, "gone"), "no such file or directory"],
  ["is a folder", () => madeFolder("d"), "it is no regular file"],
  ["is not executable", () => program("up", "#!/bin/sh\n", 0o644), "it is not executable"],
  [
    "can be written by its group",
    () => program("up", "#!/bin/sh\n", 0o775),
    "it can be written by others (mode 775)",
  ],
  [
    "can be written by all",
    () => program("up", "#!/bin/sh\n", 0o757),
    "it can be written by others (mode 757)",
  ],
  [
    "names no interpreter, which a shell would run",
    () => program("up", "echo hi\n"),
    "neither a program nor a script",
  ],
  ["is empty", () => program("up", ""), "neither a program nor a script"],
])("a file that %s is refused", (_, make, reason) => {
  const file = make();
  expect(refusal(file)).toEqual({
    code: "ERR_HOOK",
    message: expect.stringContaining(`--up-hook: ${file} is not run: `),
    hint: expect.stringMatching(/./),
  });
  expect(refusal(file)?.message).toContain(reason);
});

test("a folder that others can write makes what is in it theirs", () => {
  const open = path.join(folder, "open");
  mkdirSync(path.join(open, "below"), { recursive: true });
  const file = path.join(open, "below", "up");
  writeFileSync(file, "#!/bin/sh\n", { mode: 0o755 });
  expect(refusal(file)).toBeNull();
  chmodSync(open, 0o777);
  expect(refusal(file)?.message).toContain(`its folder ${open} can be written by others (mode 777)`);
  expect(refusal(file)?.hint).toBe(`chmod go-w ${open}`);
  // As /tmp is: nobody can move what is not his.
  chmodSync(open, 0o1777);
  expect(refusal(file)).toBeNull();
});

test("a symbolic link is refused, with what it leads to", () => {
  const file = program();
  const link = path.join(folder, "link");
  symlinkSync(file, link);
  expect(refusal(link)?.message).toContain(`it goes over a symbolic link to ${file}`);
  const linkedFolder = `${folder}-link`;
  symlinkSync(folder, linkedFolder);
  onTestFinished(() => rmSync(linkedFolder));
  expect(refusal(path.join(linkedFolder, "up"))?.hint).toBe(`name ${file}`);
});

test("a file of another user is refused", () => {
  const file = program();
  // Only root can give files away; for others, all files of root are another's.
  if (own === 0) {
    chownSync(file, 12_345, 12_345);
    expect(refusal(file)?.message).toContain(
      "it belongs to user 12345, who is neither root nor the daemon's",
    );
  } else {
    expect(() => checkTrustedProgram(file, "--up-hook", [0])).toThrow(`it belongs to user ${own}`);
  }
});
