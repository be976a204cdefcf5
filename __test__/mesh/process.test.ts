/** The daemon as a process: in the background, brought up by many at once, restarted, on a terminal. */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { isAlive, type Outcome } from "./harness/exec.ts";
import { clientProgram, daemonProgram, type MeshNode, type StatusJson } from "./harness/node.ts";
import { allowanceMs, delay, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** What the node is started with, less the program. */
const flagsOf = (node: MeshNode, ...more: string[]): string[] => node.daemonCommand(...more).slice(2);

const up = (node: MeshNode, ...more: string[]): Promise<Outcome> =>
  node.exec([process.execPath, clientProgram, "up", ...flagsOf(node, ...more)]);

const inBackground = (node: MeshNode, ...more: string[]): Promise<Outcome> =>
  node.exec([process.execPath, daemonProgram, "--daemon", ...flagsOf(node, ...more)]);

const pidIn = (file: string): number => Number(readFileSync(file, "utf8"));
const pidOf = (node: MeshNode): number => pidIn(path.join(node.runDir, "wg0.pid"));
const logOf = (node: MeshNode): string => path.join(node.stateDir, "wg0.log");
const statusOf = (node: MeshNode) => node.clientJson<StatusJson & { uptime: number }>("status");

async function expectDown(node: MeshNode, ...more: string[]): Promise<void> {
  expect(await node.client("down", ...more)).toMatchObject({ code: 0, stderr: "" });
}

/** The fields of /proc/PID/stat from the state on: proc(5). */
const statOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(")").at(-1)?.trim().split(" ") ?? [];

describe("wgmeshd --daemon", () => {
  const lab = useLab();

  test("has a session of its own and nothing of its starter: folder, umask, terminal stops, descriptors, secret", async () => {
    const node = lab.addNode("detached", { secretFile: null });
    const secret = readFileSync(lab.secretFile, "utf8").trim();
    const pidFile = path.join(node.host.folder, "second.pid");
    // Two descriptors that a careless parent leaves open, one of them far from the others.
    const careless = 'exec 9</etc/passwd 77</etc/passwd; exec "$@"';
    const ran = await node.exec(
      ["bash", "-c", careless, "bash", process.execPath, daemonProgram, "--daemon"].concat(
        flagsOf(node, "--pid-file", pidFile),
      ),
      { env: { WGMESH_SECRET: secret } },
    );
    const pid = pidOf(node);
    expect(ran).toMatchObject({ code: 0, stdout: `wg0: started (PID ${pid})\n` });
    expect(pidIn(pidFile)).toBe(pid);
    expect((await statusOf(node)).pid).toBe(pid);

    const [, parent, , session, terminal] = statOf(pid);
    expect({ session, terminal }).toEqual({ session: String(pid), terminal: "0" });
    expect(parent).not.toBe(String(process.pid));
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    expect(status).toMatch(/^Umask:\s+0077$/m);
    const ignored = BigInt(`0x${/^SigIgn:\s+(\w+)$/m.exec(status)?.[1]}`);
    for (const number of [20, 21, 22])
      expect(ignored & (1n << BigInt(number - 1)), `signal ${number}`).not.toBe(0n);
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open).not.toContain("/etc/passwd");
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe("/dev/null");
    const known = secret.slice("wgmesh://v1/".length);
    for (const file of ["cmdline", "environ"]) {
      expect(readFileSync(`/proc/${pid}/${file}`, "utf8"), file).not.toContain(known);
    }
    expect(readFileSync(logOf(node), "utf8")).not.toContain(known);

    await expectDown(node);
    // Whoever is PID 1 here may take a moment to collect it.
    await until("it is gone", allowanceMs(1000), () => !isAlive(pid));
    expect(existsSync(pidFile)).toBe(false);
    expect(node.leftovers()).toEqual([]);
  });

  test("logs JSON to a file that rotates by size, and that SIGUSR1 opens anew", async () => {
    const node = lab.addNode("logs");
    const log = path.join(node.host.folder, "node.log");
    const sizes = ["--log-file", log, "--log-max-size", "16384", "--log-keep", "2"];
    expect(await inBackground(node, ...sizes)).toMatchObject({ code: 0 });
    const lines = (file: string): string[] => readFileSync(file, "utf8").trimEnd().split("\n");
    for (const line of lines(log)) expect(JSON.parse(line)).toHaveProperty("msg");
    expect(statSync(log).mode & 0o777).toBe(0o600);

    const moved = `${log}.moved`;
    renameSync(log, moved);
    process.kill(pidOf(node), "SIGUSR1");
    await until("the file is there again", allowanceMs(1000), async () => {
      await node.rpc("daemon.reload");
      return existsSync(log);
    });
    await until("it is rotated", allowanceMs(10_000), async () => {
      await node.rpc("daemon.reload");
      return existsSync(`${log}.2`);
    });
    for (const name of [log, `${log}.1`, `${log}.2`]) {
      expect(statSync(name).size).toBeLessThanOrEqual(16_384);
      for (const line of lines(name)) expect(JSON.parse(line)).toHaveProperty("level");
    }
    await expectDown(node);
    expect(
      readdirSync(node.host.folder)
        .filter((name) => name.startsWith("node.log."))
        .sort(),
    ).toEqual(["node.log.1", "node.log.2", "node.log.moved"]);
    expect(lines(log).at(-1)).toContain("wgmeshd stopped");
  });

  test("says why it could not start, with its own exit code and the last lines of its log, and leaves nothing", async () => {
    const node = lab.addNode("damaged");
    mkdirSync(node.stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(node.stateDir, "wg0.json"), "{", { mode: 0o600 });
    const { code, stderr } = await inBackground(node);
    expect(code).toBe(4);
    expect(stderr).toContain("wgmeshd: the daemon of wg0 did not start: cannot read");
    expect(stderr).toContain("hint: restore it from a backup");
    expect(stderr).toContain(`the last lines of ${logOf(node)}:`);
    expect(stderr).toContain("ERROR wgmeshd ends with an error  code=ERR_STATE_DAMAGED");
    expect(node.leftovers()).toEqual([]);
    expect(readdirSync(node.runDir)).toEqual(["wg0.lock"]);
  });

  test.each([
    ["a log file that cannot be", ["--log-file", "/nowhere/x.log"], 4, "cannot open /nowhere/x.log"],
    ["a secret that is not there", ["--secret-file", "/nowhere/secret"], 3, "/nowhere/secret"],
  ])("refuses %s before it goes to the background", async (what, flags, exitCode, message) => {
    const node = lab.addNode(what.split(" ").at(1) ?? "");
    const { code, stderr } = await inBackground(node, ...flags);
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: expect.stringContaining(message) });
  });

  test("names the daemon that is there already, with its exit code", async () => {
    const node = lab.addNode("second");
    expect(await inBackground(node)).toMatchObject({ code: 0 });
    const { code, stderr } = await inBackground(node);
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: expect.stringContaining(`a node for wg0 runs already with PID ${pidOf(node)}`),
    });
    await expectDown(node);
  });
});

describe("wgmesh up", () => {
  const lab = useLab();

  test("twenty at once make one daemon, and all succeed with its PID", async () => {
    const node = lab.addNode("crowd");
    const all = await Promise.all(Array.from({ length: 20 }, () => up(node)));
    const pid = pidOf(node);
    const said = all.map(({ code, stdout, stderr }) => ({ code, stdout, stderr }));
    const started = { code: 0, stdout: `wg0: started (PID ${pid})\n`, stderr: "" };
    const running = { code: 0, stdout: `wg0: already running (PID ${pid})\n`, stderr: "" };
    expect(said.filter(({ stdout }) => stdout === started.stdout)).toEqual([started]);
    expect(said.filter(({ stdout }) => stdout !== started.stdout)).toEqual(Array(19).fill(running));
    const starts = readFileSync(logOf(node), "utf8").match(/"wgmeshd starts"/g);
    expect(starts).toHaveLength(1);
    expect(JSON.parse((await up(node, "--json")).stdout)).toEqual({
      interface: "wg0",
      outcome: "already running",
      pid,
    });
    await expectDown(node);
  });

  test("takes the secret from standard input, and restart keeps it", async () => {
    const node = lab.addNode("stdin", { secretFile: "-" });
    const input = readFileSync(lab.secretFile, "utf8");
    const ran = await node.exec([process.execPath, clientProgram, "up", ...flagsOf(node)], { input });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    const before = await statusOf(node);
    expect(await node.client("restart")).toMatchObject({ code: 0, stderr: "" });
    const { mesh_ip, mesh_ipv6, pid } = await statusOf(node);
    expect({ mesh_ip, mesh_ipv6, pid }).toEqual({
      mesh_ip: before.mesh_ip,
      mesh_ipv6: before.mesh_ipv6,
      pid: before.pid,
    });
    await expectDown(node);
  });

  test("replaces what a crash left, and says so: PID file, socket, and a PID that is another program's", async () => {
    const node = lab.addNode("crash");
    expect(await up(node)).toMatchObject({ code: 0 });
    const crashed = pidOf(node);
    process.kill(crashed, "SIGKILL");
    await until("it is gone", allowanceMs(1000), () => !isAlive(crashed));
    expect(existsSync(node.socketPath)).toBe(true);
    const again = await up(node);
    expect(again).toMatchObject({ code: 0, stdout: `wg0: started (PID ${pidOf(node)})\n` });
    expect(again.stderr).toContain(`it names PID ${crashed}, which is gone`);
    expect(readFileSync(logOf(node), "utf8")).toContain("the run before did not end in order");
    await expectDown(node);

    writeFileSync(path.join(node.runDir, "wg0.pid"), `${process.pid}\n`);
    const third = await up(node);
    expect(third).toMatchObject({ code: 0 });
    expect(third.stderr).toContain(`it names PID ${process.pid}, which is another program now`);
    await expectDown(node);
  });

  test("waits for a daemon whose socket is missing, names it, and makes no second one", async () => {
    const node = lab.addNode("socketless");
    expect(await up(node)).toMatchObject({ code: 0 });
    const pid = pidOf(node);
    const hidden = `${node.socketPath}.hidden`;
    renameSync(node.socketPath, hidden);
    const refused = await up(node);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain(
      `a daemon of wg0 (PID ${pid}) is there, but does not answer on ${node.socketPath}`,
    );
    const waiting = up(node);
    await delay(500);
    renameSync(hidden, node.socketPath);
    expect(await waiting).toMatchObject({ code: 0, stdout: `wg0: already running (PID ${pid})\n` });
    expect(pidOf(node)).toBe(pid);
    await expectDown(node);
  });

  test("passes on why the daemon could not start, and its exit code", async () => {
    const node = lab.addNode("refused");
    mkdirSync(node.stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(node.stateDir, "wg0.json"), "{", { mode: 0o600 });
    const { code, stderr } = await up(node);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^wgmesh: the daemon of wg0 did not start: cannot read/);
    expect(stderr).toContain("the last lines of ");
  });
});

describe("wgmesh restart", () => {
  const lab = useLab();
  const stays = lab.addNode("stays");
  const again = lab.addNode("again");

  test("is the same process with a new life; its peers are not told, and calls meanwhile are answered", async () => {
    const { mesh_ip: hisAddress } = await stays.startAndWait();
    const before = await again.startAndWait();
    await stays.pingUntilAnswered(before.mesh_ip, allowanceMs(3000));
    const since = stays.log.length;

    const restarting = again.client("restart");
    const calls = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        await delay(index * 250);
        return await again.client("status", "--json");
      }),
    );
    expect(await restarting).toMatchObject({ code: 0, stdout: `wg0: restarted (PID ${again.pid})\n` });
    expect(calls.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      Array(6).fill({ code: 0, stderr: "" }),
    );

    const after = await again.untilRunning();
    expect(after).toMatchObject({ pid: before.pid, pubkey: before.pubkey, mesh_ip: before.mesh_ip });
    expect(again.findLog(({ text }) => text.includes("hands over to its successor"))).toBeDefined();
    expect(again.log.filter(({ text }) => text.includes('"wgmeshd starts"'))).toHaveLength(2);
    await stays.pingUntilAnswered(before.mesh_ip, allowanceMs(3000));
    await again.pingUntilAnswered(hisAddress, allowanceMs(3000));
    // A goodbye would have removed the peer there.
    const peers = await stays.wgPeers();
    expect(peers?.map(({ publicKey }) => publicKey)).toEqual([before.pubkey]);
    expect(stays.findLog(({ text }) => /goodbye/i.test(text), since)).toBeUndefined();
  });

  test("thrice in a row leaves one process, no more descriptors, and an orderly end", async () => {
    const { pid } = await again.untilRunning();
    const descriptors = (): number => readdirSync(`/proc/${pid}/fd`).length;
    const counts: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      expect(await again.client("restart")).toMatchObject({ code: 0 });
      await delay(300);
      counts.push(descriptors());
    }
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(6);
    expect(await again.stop()).toEqual({ code: 0, signal: null });
    expect(again.leftovers()).toEqual([]);
    expect(await again.hasInterface()).toBe(false);
  });

  test("says that nothing runs, and what the PID file of a crash names", async () => {
    const node = lab.addNode("nobody");
    await node.startAndWait();
    const { pid } = node;
    await node.kill9();
    const { code, stderr } = await node.client("restart");
    expect(code).toBe(6);
    expect(stderr).toContain(`it names PID ${pid}, which is gone`);
    appendFileSync(path.join(node.runDir, "wg0.pid"), "nonsense\n");
    expect((await node.client("restart")).code).toBe(6);
    rmSync(node.runDir, { recursive: true });
  });
});

describe("on a terminal", () => {
  const lab = useLab();

  /** What a terminal shows of a daemon until it is ready; script(1) gives it one. */
  async function shown(node: MeshNode, env: Readonly<Record<string, string>>): Promise<string> {
    const flags = flagsOf(node).filter((word) => !["--log-format", "json"].includes(word));
    const daemon = [process.execPath, daemonProgram, ...flags].map((word) => `'${word}'`).join(" ");
    const [file = "", ...args] = node.command("script", "-qfec", daemon, "/dev/null");
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"], env: { ...process.env, ...env } });
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (part: string) => {
      text += part;
    });
    try {
      await until("it is ready", allowanceMs(3000), () => text.includes("wgmeshd is ready"));
      // What a person types: the terminal makes a signal of it.
      child.stdin.write("\x03");
      await until("it stopped", allowanceMs(3000), () => text.includes("wgmeshd stopped"));
      return text;
    } finally {
      child.kill("SIGKILL");
    }
  }

  test("lines are for people, in colour; Ctrl-C ends the daemon in order", async () => {
    const node = lab.addNode("colour");
    const text = await shown(node, { NO_COLOR: "", TERM: "xterm" });
    expect(text).toContain("\x1b[0m \x1b[32mINFO \x1b[0m wgmeshd starts");
    expect(text).not.toContain('{"level"');
    expect(node.leftovers()).toEqual([]);
  });

  test("without colour when NO_COLOR is set", async () => {
    const node = lab.addNode("plain");
    const text = await shown(node, { NO_COLOR: "1" });
    expect(text).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}wgmeshd starts/m);
    expect(text).not.toContain("\x1b[32m");
  });
});
