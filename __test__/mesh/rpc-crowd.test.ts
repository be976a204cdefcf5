import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { ended } from "./harness/exec.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const alice = lab.addNode("alice");

const PROCESSES = 20;
const CLIENTS_EACH = 50;
/** Far above what a thousand lines and their buffers take, far below what a gigabyte would. */
const GROWTH_BYTES = 150 * 1024 * 1024;

/** A process with `count` clients: all connect, say so, and ask once told to on standard input. */
const crowd = (socketPath: string, count: number): string => `
  const net = require("net");
  let connected = 0, answered = 0;
  const sockets = Array.from({ length: ${count} }, () => {
    const socket = net.connect(${JSON.stringify(socketPath)});
    let text = "";
    socket.on("connect", () => { if (++connected === ${count}) console.log("connected"); });
    socket.on("data", (data) => {
      text += data;
      if (!text.endsWith("\\n")) return;
      if (JSON.parse(text).result.pubkey) answered += 1;
      socket.destroy();
    });
    socket.on("error", (error) => console.log(error.code));
    socket.on("close", () => { if (sockets.every((each) => each.destroyed)) { console.log("answered " + answered); process.exit(0); } });
    return socket;
  });
  process.stdin.once("data", () => {
    for (const socket of sockets) socket.write('{"jsonrpc":"2.0","method":"daemon.status","id":1}\\n');
  });`;

class Process {
  readonly child: ChildProcess;
  readonly exit: Promise<unknown>;
  output = "";

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
    this.exit = ended(this.child);
    this.child.stdout?.on("data", (chunk) => {
      this.output += String(chunk);
    });
    // A writer whose reader has gone.
    this.child.stdin?.on("error", () => {});
    onTestFinished(() => {
      this.child.kill("SIGKILL");
    });
  }
}

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

test("1,000 clients at once are all answered, and afterwards their places are free", async () => {
  await alice.startAndWait();
  const before = await alice.rpc<{ open_files: number }>("daemon.status");
  const processes = Array.from(
    { length: PROCESSES },
    () => new Process(process.execPath, ["-e", crowd(alice.socketPath, CLIENTS_EACH)]),
  );
  await until("all are connected at once", allowanceMs(6000), () =>
    processes.every(({ output }) => output === "connected\n"),
  );
  for (const { child } of processes) child.stdin?.write("go\n");
  await Promise.all(processes.map(({ exit }) => exit));
  const answered = processes.map(({ output }) => output.trim().split("\n").at(-1));
  expect(answered).toEqual(new Array(PROCESSES).fill(`answered ${CLIENTS_EACH}`));
  await until("their descriptors are closed", allowanceMs(1000), async () => {
    const { open_files } = await alice.rpc<{ open_files: number }>("daemon.status");
    return open_files < before.open_files + 20;
  });
});

test("a line of 1 GB, half a line and idle connections leave the daemon answering, in the same memory", async () => {
  const beforeBytes = residentBytes(alice.pid);
  const idle = new Process(process.execPath, ["-e", crowd(alice.socketPath, 500)]);
  await until("the idle ones are connected", allowanceMs(3000), () => idle.output === "connected\n");
  const open = `const socket = require("net").connect(${JSON.stringify(alice.socketPath)});
    socket.on("error", () => {}); socket.on("close", () => { console.log("cut off"); process.exit(0); });`;
  const half = new Process(process.execPath, [
    "-e",
    `${open} socket.write('{"jsonrpc":"2.0","meth'); setInterval(() => {}, 1000);`,
  ]);
  const huge = new Process(process.execPath, [
    "-e",
    `${open} const piece = Buffer.alloc(1 << 20, 120); let left = 1024;
    const next = () => { if (left-- > 0) socket.write(piece, next); }; next();`,
  ]);
  await huge.exit;
  expect(huge.output).toBe("cut off\n");
  expect(half.output).toBe("");
  const { code, stdout } = await alice.client("status", "--json");
  expect({ code, state: (JSON.parse(stdout) as { state: string }).state }).toEqual({
    code: 0,
    state: "running",
  });
  expect(residentBytes(alice.pid) - beforeBytes).toBeLessThan(GROWTH_BYTES);
  await until("half a line is given up", allowanceMs(10_000), () => half.output === "cut off\n");
});
