/**
 * `--socket-group` as an administrator sets it up: a daemon in the background, in folders that it makes itself, and other users
 * of the machine who run the real client.
 */
import { cpSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Outcome, run } from "./harness/exec.ts";
import { clientProgram, type MeshNode } from "./harness/node.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();

/** Numbers that no user and no group of this machine needs to have. */
const USER = "61234";
const GROUP = "61235";

const member = ["--reuid", USER, "--regid", USER, "--groups", GROUP];
const stranger = ["--reuid", USER, "--regid", USER, "--clear-groups"];

let folder = "";
let client = "";
let node: MeshNode;
let running = false;

beforeEach(() => {
  // The lab's own folder is root's alone, and so may be the one of the sources.
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-group-"));
  cpSync(path.dirname(clientProgram), path.join(folder, "dist"), { recursive: true });
  writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
  client = path.join(folder, "dist/wgmesh.js");
});
afterEach(async () => {
  if (running) await asRoot("down");
  rmSync(folder, { recursive: true, force: true });
});

const place = (): string[] => ["--run-dir", path.join(folder, "run/wgmesh")];

const asRoot = (...words: string[]): Promise<Outcome> =>
  node.exec([process.execPath, clientProgram, ...words, ...place()]);

const as = (user: readonly string[], ...words: string[]): Promise<Outcome> =>
  run(["setpriv", ...user, "--", process.execPath, client, ...words, ...place()]);

async function start(name: string, ...flags: string[]): Promise<void> {
  node = lab.addNode(name);
  await run(["chmod", "-R", "a+rX", folder]);
  // The way a careful administrator's shell is set up.
  const careful = 'umask 077; exec "$@"';
  const up = [process.execPath, clientProgram, "up", ...node.daemonCommand(...flags, ...place()).slice(2)];
  const { code, stderr } = await node.exec(["sh", "-c", careful, "sh", ...up]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  running = true;
}

test("members look and change nothing, and strangers do not get in", async () => {
  await start("readers", "--socket-group", GROUP);
  const { mode, gid } = statSync(path.join(folder, "run/wgmesh/wg0.sock"));
  expect([mode & 0o777, gid]).toEqual([0o660, Number(GROUP)]);

  const status = await as(member, "status");
  expect(status).toMatchObject({ code: 0, stderr: "" });
  expect(status.stdout).toContain("wg0: running");
  expect(await as(member, "peers", "count")).toMatchObject({
    code: 0,
    stdout: "0 active, 0 known, 0 silent\n",
  });
  for (const words of [
    ["reload"],
    ["config", "set", "log-level", "warn"],
    ["down"],
    ["debug", "cpu-profile"],
  ]) {
    const { code, stderr } = await as(member, ...words);
    expect([words, code, stderr]).toEqual([words, 7, expect.stringContaining("needs the role admin")]);
  }
  const forced = await as(member, "down", "--force");
  expect(forced.code).toBe(7);
  expect(forced.stderr).toMatch(/^wgmesh: cannot end the daemon \(PID \d+\): kill EPERM\nhint: run as root/);
  const refused = await as(stranger, "status");
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain("or as a member of its --socket-group");
  expect(await as(stranger, "down")).toMatchObject({
    code: 7,
    stderr: refused.stderr.replace("status", "down"),
  });

  const { stdout } = await asRoot("audit", "--json", "--state-dir", node.stateDir);
  const { entries } = JSON.parse(stdout) as {
    entries: { action: string; outcome: string; actor: { uid: number } }[];
  };
  const denied = entries.filter(({ actor }) => actor.uid === Number(USER));
  expect(new Set(denied.map(({ action }) => action))).toEqual(
    new Set(["daemon.reload", "config.set", "daemon.shutdown", "debug.profile"]),
  );
});

test("with --socket-group-admin they change what may change", async () => {
  await start("writers", "--socket-group", GROUP, "--socket-group-admin");
  expect(await as(member, "config", "set", "log-level", "warn")).toMatchObject({
    code: 0,
    stdout: "changed: log-level=warn\n",
  });
  expect((await as(stranger, "config", "set", "log-level", "info")).code).toBe(7);
  expect(await as(member, "down")).toMatchObject({ code: 0, stdout: "wg0: stopped\n" });
  running = false;
});
