import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { Hooks, type HooksOptions } from "../../../src/daemon/hooks/hooks.ts";
import { OutputLines } from "../../../src/daemon/hooks/lines.ts";
import { MAX_LINES } from "../../../src/daemon/hooks/run.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { ScriptFolder } from "../support/scriptFolder.ts";
import { FakeHost, FakeNode, type FakeNodeOptions } from "./fakeNode.ts";

const messagesOf = ({ lines }: MemoryLog): string[] => lines.map(({ message }) => message);
const never = new AbortController().signal;

function scripts() {
  const parent = mkdtempSync(path.join(tmpdir(), "wgmesh-hooks-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const made = new ScriptFolder(parent);
  return {
    folder: made.folder,
    make: made.make.bind(made),
    read: made.read.bind(made),
  };
}

function hooksOf(options: Partial<HooksOptions["options"]>, limits: Partial<HooksOptions> = {}) {
  const log = new MemoryLog();
  const troubles = new TroubleRegistry(systemClock, log);
  const hooks = new Hooks({
    options: { upHook: null, downHook: null, ...options },
    ...{ clock: systemClock, log, troubles, upLimitMs: 30_000, downLimitMs: 10_000 },
    facts: () => ({
      interfaceName: "wg7",
      meshIp: "10.1.2.3",
      meshIpv6: null,
      meshNetwork: "10.1.0.0/16",
      listenPort: 51_820,
      backend: "embedded",
      mtu: 1420,
    }),
    ...limits,
  });
  return { hooks, log, troubles };
}

/** True while a process of that number runs, and is no zombie. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("a hook", () => {
  test("gets these variables, the root folder, no input, and no arguments", async () => {
    const { make, read } = scripts();
    process.env.WGMESH_SECRET = "not for hooks";
    onTestFinished(() => void delete process.env.WGMESH_SECRET);
    const body =
      'env > $OUT/env; pwd > $OUT/pwd; cat > $OUT/input; echo "$#" > $OUT/count; ls /proc/self/fd > $OUT/fds';
    const { hooks, log, troubles } = hooksOf({ downHook: make("down", body) });
    await hooks.down(never);
    const found = (read("env") ?? "").trimEnd().split("\n");
    // What a shell adds by itself.
    const own = found.filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    expect(own.sort()).toEqual([
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      "WGMESH_BACKEND=embedded",
      "WGMESH_HOOK=down",
      "WGMESH_INTERFACE=wg7",
      "WGMESH_LISTEN_PORT=51820",
      "WGMESH_MESH_IP=10.1.2.3",
      "WGMESH_MESH_IPV6=",
      "WGMESH_MESH_NETWORK=10.1.0.0/16",
      "WGMESH_MTU=1420",
    ]);
    expect([read("pwd"), read("input"), read("count")]).toEqual(["/\n", "", "0\n"]);
    // The three, and the folder that ls reads.
    expect(read("fds")).toBe("0\n1\n2\n3\n");
    expect(messagesOf(log)).toEqual(["hook begins", "hook done"]);
    expect(troubles.list()).toEqual([]);
  });

  test("has its output in the log, line by line, as long as it is not too much", async () => {
    const { make } = scripts();
    const body = `echo one; printf 'two\\033[2J'; echo; head -c 5000 /dev/zero | tr '\\0' x; echo; seq 1 ${MAX_LINES}`;
    const { hooks, log } = hooksOf({ upHook: make("up", body) });
    hooks.up(never);
    await hooks.leave(never);
    const said = log.lines
      .filter(({ message }) => message === "hook says")
      .map(({ fields }) => fields.output);
    expect(said).toHaveLength(MAX_LINES);
    expect(said).toContain("one");
    expect(said).toContain("two\\u001b[2J");
    expect(said).toContain(`${"x".repeat(1000)}…`);
    expect(log.lines.find(({ message }) => message === "hook says more than is logged")?.fields.lines).toBe(
      3,
    );
  });

  test("that fails is a trouble with its status and last line, until it works", async () => {
    const { make, folder } = scripts();
    const upHook = make("up", 'echo first; echo "no such table" >&2; exit 3');
    const { hooks, troubles } = hooksOf({ upHook });
    hooks.up(never);
    await hooks.leave(never);
    expect(troubles.list()).toMatchObject([
      {
        id: "up-hook",
        text: expect.stringContaining(
          `up hook ${folder}/up failed: status 3, last it said: no such table; mend it`,
        ),
      },
    ]);
    make("up", "exit 0");
    hooks.up(never);
    await hooks.leave(never);
    expect(troubles.list()).toEqual([]);
  });

  test("that was replaced since the start by what cannot be trusted is not run", async () => {
    const { make, read } = scripts();
    const upHook = make("up", "touch $OUT/ran");
    const { hooks, troubles } = hooksOf({ upHook });
    chmodSync(upHook, 0o777);
    hooks.up(never);
    await hooks.leave(never);
    expect(read("ran")).toBeNull();
    expect(troubles.list()).toMatchObject([{ text: expect.stringContaining("it can be written by others") }]);
  });

  test("with signs of a shell in its name is that file and nothing else", async () => {
    const { make, read } = scripts();
    const downHook = make("down; touch ran $(touch ran) & ", "touch $OUT/itself");
    await hooksOf({ downHook }).hooks.down(never);
    expect([read("itself"), read("ran")]).toEqual(["", null]);
  });

  test("that takes too long is ended with all that it started", async () => {
    const { make, read } = scripts();
    const upHook = make(
      "up",
      'trap "" TERM; sleep 60 & echo $$ $! > $OUT/pids; echo waiting; wait; sleep 60',
    );
    const { hooks, troubles } = hooksOf({ upHook }, { upLimitMs: 300 });
    hooks.up(never);
    await expect.poll(() => troubles.list().length, { timeout: 20_000 }).toBe(1);
    expect(troubles.list()[0]?.text).toContain(
      "failed: it did not end within 0.3 s and was ended, last it said: waiting",
    );
    const pids = (read("pids") ?? "").trim().split(" ").map(Number);
    expect(pids).toHaveLength(2);
    await expect.poll(() => pids.filter(isRunning), { timeout: 10_000 }).toEqual([]);
  });

  test("that leaves something running which holds its output is done all the same", async () => {
    const { make, read } = scripts();
    const { hooks, log } = hooksOf({ downHook: make("down", "sleep 60 & echo $! > $OUT/pid; echo done") });
    await hooks.down(never);
    expect(messagesOf(log)).toEqual(["hook begins", "hook says", "hook done"]);
    const pid = Number(read("pid"));
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  test("which runs when the node ends is ended before the down hook begins", async () => {
    const { make, read } = scripts();
    const upHook = make("up", "echo up $$ >> $OUT/log; exec sleep 60");
    const downHook = make("down", "echo down >> $OUT/log");
    const { hooks, troubles } = hooksOf({ upHook, downHook });
    hooks.up(never);
    await expect.poll(() => read("log"), { timeout: 10_000 }).toMatch(/^up/);
    await hooks.down(never);
    const [, pid] = /^up (\d+)\ndown\n$/.exec(read("log") ?? "") ?? [];
    expect(isRunning(Number(pid))).toBe(false);
    expect(troubles.list()).toEqual([]);
  });

  test("waits for nothing once a second signal came", async () => {
    const { make } = scripts();
    const hurry = new AbortController();
    const { hooks, log } = hooksOf({ downHook: make("down", 'trap "" TERM; sleep 60; sleep 60') });
    const ended = hooks.down(hurry.signal);
    await expect.poll(() => messagesOf(log), { timeout: 10_000 }).toContain("hook begins");
    hurry.abort();
    await ended;
    expect(messagesOf(log)).toContain("hook failed");
  });
});

describe("a node with hooks", () => {
  async function started(options: FakeNodeOptions = {}) {
    const { make, read } = scripts();
    const upHook = make("up", 'echo "$WGMESH_HOOK $WGMESH_INTERFACE" >> $OUT/log');
    const downHook = make("down", 'echo "$WGMESH_HOOK" >> $OUT/log');
    const host = new FakeHost();
    onTestFinished(() => host.remove());
    const node = new FakeNode(host, { ...options, options: { upHook, downHook } });
    await node.node.open();
    onTestFinished(() => node.node.close());
    return { node, log: () => read("log") };
  }

  test("runs each once, the second while the interface is there", async () => {
    const { node, log } = await started({ on: (event) => event === "delete interface" && seen.push(log()) });
    const seen: (string | null)[] = [];
    await expect.poll(log, { timeout: 10_000 }).toBe("up wg0\n");
    node.signal("SIGTERM");
    await node.node.serve();
    expect(log()).toBe("up wg0\ndown\n");
    expect(seen).toEqual(["up wg0\ndown\n"]);
    expect(messagesOf(node.log)).toContain("step undone");
  });

  test("runs neither when it hands over its interface, nor the first after it", async () => {
    const { node, log } = await started();
    await expect.poll(log, { timeout: 10_000 }).toBe("up wg0\n");
    node.view?.restart()();
    await node.node.serve();
    expect(log()).toBe("up wg0\n");
    const { node: next, log: nextLog } = await started({
      guard: { fd: 7, pid: 1 },
      backend: { boundPort: 51_820 },
    });
    expect(messagesOf(next.log)).not.toContain("hook begins");
    next.signal("SIGTERM");
    await next.node.serve();
    expect(nextLog()).toBe("down\n");
  });

  test("runs both around an interface that is made anew when it hands over", async () => {
    const { node, log } = await started({ backend: { name: "embedded" } });
    await expect.poll(log, { timeout: 10_000 }).toBe("up wg0\n");
    node.view?.restart()();
    await node.node.serve();
    expect(log()).toBe("up wg0\ndown\n");
    const { log: nextLog } = await started({ guard: { fd: 7, pid: 1 } });
    await expect.poll(nextLog, { timeout: 10_000 }).toBe("up wg0\n");
  });
});

test("output is cut into lines whatever pieces it comes in, and a line without an end is bounded", () => {
  const heard: string[] = [];
  const lines = new OutputLines(5, (line) => heard.push(line));
  for (const piece of ["a", "b\r\nc", "\n\n", "1234", "5678", "9\nx", "y"]) lines.add(piece);
  lines.end();
  expect(heard).toEqual(["ab\r", "c", "12345…", "xy"]);
});
