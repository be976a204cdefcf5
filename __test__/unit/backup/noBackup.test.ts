import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wgmesh } from "../cli/run.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-no-backup-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["nothing", ""],
  ["a list", "[]"],
  ["a word", "null"],
  ["base64 that is too short", "c2hvcnQ="],
  ["other text", "not base64. ".repeat(20)],
])("of %s no password is asked", async (_what, content) => {
  const file = path.join(folder, "node.json");
  writeFileSync(file, content, { mode: 0o600 });
  expect(await wgmesh(["import", file, "--dry-run", "--state-dir", folder])).toEqual({
    code: 4,
    out: "",
    err: `wgmesh: cannot read ${file}: it is neither JSON nor sealed\nhint: name a file that 'wgmesh backup' or 'wgmesh export' made\n`,
  });
});
