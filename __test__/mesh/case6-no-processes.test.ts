import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { daemonProgram } from "./harness/node.ts";
import { pingAllPairs } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

/** Runs as the traced program itself (-D), so that signals reach it and not strace. */
const strace = (file: string): string[] => {
  const calls = "trace=execve,execveat,fork,vfork,clone,clone3";
  return ["strace", "-D", "-f", "-qq", "-s", "200", "-e", calls, "-o", file];
};

/** Processes that were started, and programs that replaced one, after the first. Threads are not processes. */
function startedProcesses(traceFile: string): string[] {
  const calls = readFileSync(traceFile, "utf8")
    .split("\n")
    .filter((line) => /\b(execve|execveat|fork|vfork|clone|clone3)\(/.test(line))
    .filter((line) => !line.includes("CLONE_THREAD"));
  return calls.slice(1);
}

describe("no process is started on Linux", () => {
  const lab = useLab();

  test("from start to exit, through a mesh, a reload and a goodbye", async () => {
    const traceFile = path.join(lab.folder, "daemon.trace");
    const program = [...strace(traceFile), process.execPath, daemonProgram];
    const traced = lab.addNode("traced", { program, flags: ["--advertise-routes", "192.168.77.0/24"] });
    const other = lab.addNode("other", { flags: ["--advertise-routes", "192.168.78.0/24"] });
    traced.start();
    other.start();
    const members = [
      { node: traced, status: await traced.untilRunning() },
      { node: other, status: await other.untilRunning() },
    ];
    await pingAllPairs(members, 5000);
    expect((await traced.client("reload")).code).toBe(0);
    expect(await traced.stop()).toEqual({ code: 0, signal: null });
    expect(readFileSync(traceFile, "utf8")).toContain(daemonProgram);
    expect(startedProcesses(traceFile)).toEqual([]);
  });

  test("would be noticed if one were", async () => {
    const traceFile = path.join(lab.folder, "control.trace");
    const host = lab.addNode("control");
    const script = 'require("node:child_process").execFileSync("true")';
    const { code } = await host.exec([...strace(traceFile), process.execPath, "-e", script]);
    expect(code).toBe(0);
    expect(startedProcesses(traceFile).some((call) => /execve\(.*true/.test(call))).toBe(true);
  });
});
