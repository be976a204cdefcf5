import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeptFile } from "../../../src/core/keptFile.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "kept-file-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("reads the number that the file begins with, anew each time, from the file that was opened first", () => {
  const file = path.join(folder, "number");
  writeFileSync(file, "1286.20 1369.04\n");
  const kept = new KeptFile(file);
  expect(kept.number()).toBe(1286.2);
  writeFileSync(file, "7\n");
  expect(kept.number()).toBe(7);
  writeFileSync(`${file}.new`, "8\n");
  renameSync(`${file}.new`, file);
  expect(kept.number()).toBe(7);
  kept.close();
  expect(kept.number()).toBe(8);
  writeFileSync(file, "none\n");
  expect(kept.number()).toBeNaN();
  kept.close();
});

test("throws where there is nothing to read, also when there was before, and reads what is there later", async () => {
  const file = path.join(folder, "stat");
  const missing = new KeptFile(file);
  expect(() => missing.number()).toThrow(/ENOENT/);
  writeFileSync(file, "5\n");
  expect(missing.number()).toBe(5);
  missing.close();
  const child = spawn("sleep", ["60"]);
  const kept = new KeptFile(`/proc/${child.pid}/stat`);
  expect(kept.number()).toBe(child.pid);
  child.kill();
  await once(child, "exit");
  expect(() => kept.number()).toThrow(/ENOENT/);
});
