import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolderSync } from "../../../src/core/folder.ts";

let folder = "";
let umask = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-folder-"));
  umask = process.umask(0o077);
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true, force: true });
});

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

test("what is made has the mode that was asked for, whatever the umask, and nothing else changes", () => {
  makeFolderSync(join(folder, "a/b"), 0o755);
  expect([folder, join(folder, "a"), join(folder, "a/b")].map(modeOf)).toEqual([0o700, 0o755, 0o755]);
});

test("what exists stays as its owner set it up", () => {
  mkdirSync(join(folder, "a"), { mode: 0o700 });
  makeFolderSync(join(folder, "a"), 0o755);
  makeFolderSync(`${join(folder, "a", "c")}/`, 0o711);
  expect([join(folder, "a"), join(folder, "a/c")].map(modeOf)).toEqual([0o700, 0o711]);
});
