import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { trustedUids } from "../../../src/cli/serviceUser.ts";

function fileWith(text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-service-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "service-user");
  writeFileSync(file, text, { mode: 0o644 });
  return file;
}

test.each([
  ["4711\n", [4711]],
  ["root\n", [0]],
  ["no-such-user\n", []],
  ["", []],
])("a file of root with %j names %j", (text, uids) => {
  expect(trustedUids(fileWith(text))).toEqual(uids);
});

test("a file that another owns or can write names nobody, nor does one that is missing", () => {
  const owned = fileWith("4711\n");
  chownSync(owned, 65_534, 65_534);
  const open = fileWith("4711\n");
  chmodSync(open, 0o666);
  expect([trustedUids(owned), trustedUids(open), trustedUids(`${open}.none`)]).toEqual([[], [], []]);
});
