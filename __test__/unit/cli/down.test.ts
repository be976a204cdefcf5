import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { identifyDaemon, identifyFromPidFile, isAlive, signal } from "../../../src/launch/processes.ts";
import { wgmesh } from "./run.ts";

/** How a stand-in daemon meets the end: at once, only by SIGTERM, or only by SIGKILL. */
type Manner = "ends" | "ignores RPC" | "ignores SIGTERM";

const program = `
const net = require("node:net"), fs = require("node:fs");
const [, , socketPath, pidFile, manner] = process.argv;
if (manner === "ignores SIGTERM") process.on("SIGTERM", () => {});
const server = net.createServer((socket) => socket.on("data", (data) => {
  const { id, method } = JSON.parse(data);
  if (manner !== "ends" && method === "daemon.shutdown") return;
  const result = method === "daemon.status" ? { pid: process.pid } : { stopping: true };
  socket.write(JSON.stringify({ jsonrpc: "2.0", result, id }) + "\\n");
  if (method === "daemon.shutdown") setTimeout(() => process.exit(0), 50);
  if (method === "daemon.shutdown") fs.rmSync(socketPath);
}));
server.listen(socketPath, () => { fs.writeFileSync(pidFile, process.pid + "\\n"); console.log("ready"); });
`;

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "wgmesh-down-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

interface StandIn {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly runDir: string;
  readonly pidFile: string;
}

/** A process whose command line looks like a wgmeshd of wg0. */
async function startStandIn(manner: Manner, name = "wgmeshd.cjs"): Promise<StandIn> {
  const runDir = folder();
  const pidFile = path.join(runDir, "wg0.pid");
  const file = path.join(runDir, name);
  writeFileSync(file, program);
  const child = spawn(process.execPath, [file, path.join(runDir, "wg0.sock"), pidFile, manner]);
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  if (child.stdout !== null) await once(child.stdout, "data");
  return { child, pid: child.pid ?? 0, runDir, pidFile };
}

/** Time passes 100 times as fast for the command, whose own limits are many seconds. */
const down = (runDir: string, ...args: string[]) => wgmesh(["down", "--run-dir", runDir, ...args], null, 100);

/** Where it is to be answered, which takes a busy machine longer than a hundredth of the limit. */
const answeredDown = (runDir: string, ...args: string[]) =>
  wgmesh(["down", "--run-dir", runDir, ...args], null, 5);

describe("wgmesh down", () => {
  test("asks, and waits until the process is gone", async () => {
    const { runDir, pid } = await startStandIn("ends");
    const before = identifyDaemon(pid);
    expect(before).not.toBeNull();
    expect(await answeredDown(runDir)).toEqual({ code: 0, out: "wg0: stopped\n", err: "" });
    expect(before !== null && isAlive(before)).toBe(false);
    expect(existsSync(path.join(runDir, "wg0.sock"))).toBe(false);
  });

  test("--json", async () => {
    const { runDir } = await startStandIn("ends");
    expect(JSON.parse((await answeredDown(runDir, "--json")).out)).toEqual({ outcome: "stopped" });
  });

  test("does not hurt a daemon that does not answer, and names it", async () => {
    const { runDir, child, pid } = await startStandIn("ignores RPC");
    const { code, err } = await down(runDir);
    expect([code, err]).toEqual([6, expect.stringMatching(new RegExp(`PID ${pid}[\\s\\S]*--force`))]);
    expect(child.exitCode).toBeNull();
  });

  test.each<[Manner, string, NodeJS.Signals]>([
    ["ignores RPC", "terminated", "SIGTERM"],
    ["ignores SIGTERM", "killed", "SIGKILL"],
  ])("--force ends one that %s: %s", async (manner, outcome, by) => {
    const { runDir, child } = await startStandIn(manner);
    const exited = once(child, "exit");
    expect(await down(runDir, "--force")).toMatchObject({ code: 0, out: `wg0: ${outcome}\n` });
    expect(await exited).toEqual([null, by]);
  });

  test("of a daemon that is gone says what its PID file names", async () => {
    const runDir = folder();
    const pidFile = path.join(runDir, "wg0.pid");
    writeFileSync(pidFile, `${process.pid}\n`);
    for (const force of [[], ["--force"]]) {
      const { code, err } = await down(runDir, ...force);
      expect(code).toBe(6);
      expect(err).toContain(
        `${pidFile} is of an earlier run: it names PID ${process.pid}, which is another program now`,
      );
    }
  });

  test("--force without any daemon ends with 6", async () => {
    expect(await down(folder(), "--force")).toMatchObject({ code: 6 });
  });
});

describe("a process of a PID file", () => {
  test("is the daemon only when its command line says so", async () => {
    const stranger = await startStandIn("ends", "innocent.cjs");
    expect(identifyFromPidFile(stranger.pidFile)).toBeNull();
    const daemon = await startStandIn("ends");
    expect(identifyFromPidFile(daemon.pidFile)?.pid).toBe(daemon.pid);
  });

  test("that is younger than the file did not write it", async () => {
    const { pidFile } = await startStandIn("ends");
    utimesSync(pidFile, new Date(0), new Date(0));
    expect(identifyFromPidFile(pidFile)).toBeNull();
  });

  test.each(["", "0", "-1", "1e3", "12 34", "99999999999"])("with the text %j is none", (text) => {
    const file = path.join(folder(), "wg0.pid");
    writeFileSync(file, text);
    expect(identifyFromPidFile(file)).toBeNull();
  });

  test("is never signalled once its PID means another process", async () => {
    const { child, pid } = await startStandIn("ends");
    signal({ pid, startTicks: 1 }, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });
});
