import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

/** A port that nobody listens on: what is wrong with the files is told before anything is sent. */
const server = ["--server", "127.0.0.1:1"];

test.each([
  [0o644, "can be read by others"],
  [0o640, "can be read by others"],
  [0o620, "can be written by others"],
])("a token in a file of mode %o is refused: it %s", async (mode, reason) => {
  const file = path.join(temporaryFolder(), "token");
  writeFileSync(file, "wgmesh_hunter2\n");
  chmodSync(file, mode);
  const { code, err } = await wgmesh(["status", ...server, "--token-file", file]);
  expect(code).toBe(4);
  expect(err).toContain(`--token-file: ${file} ${reason}`);
  expect(err).toContain(`chmod 600 ${file}`);
  expect(err).not.toContain("hunter2");
});

test("a token in a file of the own user, or in a pipe, is taken", async () => {
  const folder = temporaryFolder();
  const [file, pipe] = [path.join(folder, "token"), path.join(folder, "pipe")];
  writeFileSync(file, "wgmesh_x\n", { mode: 0o600 });
  execFileSync("mkfifo", ["-m", "644", pipe]);
  execFileSync("sh", ["-c", `(echo wgmesh_x > ${pipe}) >/dev/null 2>&1 &`]);
  for (const place of [file, pipe]) {
    const { code, err } = await wgmesh(["status", ...server, "--token-file", place]);
    expect([code, err]).toEqual([6, expect.stringContaining("nobody listens")]);
  }
});

test("a token file that is not there, and an authority that others can change, are refused", async () => {
  const file = path.join(temporaryFolder(), "ca.pem");
  const absent = await wgmesh(["status", ...server, "--token-file", file]);
  expect([absent.code, absent.err]).toEqual([2, expect.stringContaining(`${file} does not exist`)]);
  writeFileSync(file, "");
  chmodSync(file, 0o666);
  const token = path.join(path.dirname(file), "token");
  writeFileSync(token, "wgmesh_x\n", { mode: 0o600 });
  const open = await wgmesh(["status", ...server, "--tls", "--ca-cert", file, "--token-file", token]);
  expect([open.code, open.err]).toEqual([4, expect.stringContaining("can be written by others")]);
});
