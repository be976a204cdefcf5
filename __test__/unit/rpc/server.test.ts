import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { DEFAULT_RUN_DIR } from "../../../src/config/options.ts";
import { WgmeshError } from "../../../src/core/errors.ts";
import { peerCredentials } from "../../../src/daemon/os.ts";
import { callOnce, RpcClient } from "../../../src/rpc/client.ts";
import { goPathFor } from "../../../src/rpc/goPath.ts";
import { groupId } from "../../../src/rpc/groups.ts";
import { RawClient, startServer, temporaryFolder, vectorView } from "./fixtures.ts";

const ping = '{"jsonrpc":"2.0","method":"daemon.ping","id":1}\n';

/** A socket file nobody listens on, as kill -9 leaves it. */
async function staleSocket(socketPath: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
}

describe("binding", () => {
  test("makes the socket for its owner only, and removes it at the end", async () => {
    const { socketPath, server } = await startServer(vectorView());
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await server.stop(100);
    expect(existsSync(socketPath)).toBe(false);
  });

  test("leaves the umask as it was", async () => {
    const before = process.umask();
    await startServer(vectorView());
    expect(process.umask()).toBe(before);
  });

  test("takes the place of a stale socket", async () => {
    const socketPath = path.join(temporaryFolder(), "wg0.sock");
    await staleSocket(socketPath);
    expect(existsSync(socketPath)).toBe(true);
    await startServer(vectorView(), { socketPath });
    expect(await callOnce({ socketPath }, "daemon.ping")).toEqual({ pong: true, version: "dev" });
  });

  test("refuses a socket that answers, and leaves it alone", async () => {
    const { socketPath } = await startServer(vectorView());
    await expect(startServer(vectorView(), { socketPath })).rejects.toMatchObject({
      code: "ERR_ALREADY_RUNNING",
    });
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("refuses a file that is no socket, and leaves it alone", async () => {
    const socketPath = path.join(temporaryFolder(), "precious");
    writeFileSync(socketPath, "keep me");
    await expect(startServer(vectorView(), { socketPath })).rejects.toMatchObject({ code: "ERR_SYSTEM" });
    expect(statSync(socketPath).size).toBe(7);
  });

  test("names a folder that is missing", async () => {
    const socketPath = path.join(temporaryFolder(), "none", "wg0.sock");
    await expect(startServer(vectorView(), { socketPath })).rejects.toThrow(/none\/wg0\.sock/);
  });
});

describe("the Go peer's path", () => {
  const goPathIn = (folder: string) => ({
    socketPath: path.join(folder, "wgmesh.sock"),
    lockPath: path.join(folder, "wgmesh.sock.lock"),
  });

  test("is served too by the node that gets the lock, and given back", async () => {
    const goPath = goPathIn(temporaryFolder());
    const events: string[] = [];
    const tryLock = (lockPath: string) => {
      events.push(path.basename(lockPath));
      return { release: () => events.push("released") };
    };
    const { server } = await startServer(vectorView(), { goPath, tryLock });
    expect(await callOnce({ socketPath: goPath.socketPath }, "peers.count")).toEqual({
      active: 2,
      total: 3,
      dead: 1,
    });
    await server.stop(100);
    expect(existsSync(goPath.socketPath)).toBe(false);
    expect(events).toEqual(["wgmesh.sock.lock", "released"]);
  });

  test("is left to whoever holds the lock", async () => {
    const goPath = goPathIn(temporaryFolder());
    await startServer(vectorView(), { goPath, tryLock: () => null });
    expect(existsSync(goPath.socketPath)).toBe(false);
  });

  test("is left to a Go daemon that listens there; the lock is given back", async () => {
    const goPath = goPathIn(temporaryFolder());
    const go = net.createServer().listen(goPath.socketPath);
    onTestFinished(() => {
      go.close();
    });
    await once(go, "listening");
    let released = 0;
    const lock = { release: () => (released += 1) };
    const { socketPath } = await startServer(vectorView(), { goPath, tryLock: () => lock });
    expect(released).toBe(1);
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("is asked for in the default run folder only", () => {
    expect(goPathFor({ runDir: DEFAULT_RUN_DIR, socketPath: null })).toEqual({
      socketPath: "/var/run/wgmesh.sock",
      lockPath: `${DEFAULT_RUN_DIR}/wgmesh.sock.lock`,
    });
    expect(goPathFor({ runDir: "/elsewhere", socketPath: null })).toBeNull();
    expect(goPathFor({ runDir: DEFAULT_RUN_DIR, socketPath: "/elsewhere/x.sock" })).toBeNull();
  });
});

describe("methods that change something", () => {
  test("reload answers what changed", async () => {
    const view = vectorView();
    const { socketPath } = await startServer(view);
    expect(await callOnce({ socketPath }, "daemon.reload")).toEqual({
      changed: ["log-level"],
      warning: null,
      restart: [],
    });
    expect(view.calls).toEqual(["reload"]);
  });

  test("a refused reload arrives with its code, message and hint", async () => {
    const refusal = new WgmeshError("ERR_RELOAD", "line 3: advertise-routes: bad network");
    const { socketPath } = await startServer(vectorView({ reload: () => Promise.reject(refusal) }));
    await expect(callOnce({ socketPath }, "daemon.reload")).rejects.toMatchObject({
      code: "ERR_RELOAD",
      message: refusal.message,
      hint: refusal.hint,
    });
  });

  test("what nobody foresaw is answered without its text", async () => {
    const reload = () => Promise.reject(new Error("inner detail"));
    const { socketPath } = await startServer(vectorView({ reload }));
    const client = new RawClient(socketPath);
    client.send('{"jsonrpc":"2.0","method":"daemon.reload","id":1}\n');
    const [answer] = await client.answers(1);
    expect(answer).toContain("-32603");
    expect(answer).not.toContain("inner detail");
  });

  test("shutdown is answered before it starts", async () => {
    const order: string[] = [];
    const { socketPath } = await startServer(vectorView({ shutdown: () => order.push("shutdown") }));
    const client = await RpcClient.connect({ socketPath });
    onTestFinished(() => client.close());
    expect(await client.call("daemon.shutdown")).toEqual({ stopping: true });
    order.push("answered");
    await expect.poll(() => order).toContain("shutdown");
  });
});

describe("who may call", () => {
  test.each([
    [0, 1000, true],
    [1000, 1000, true],
    [1001, 1000, false],
  ])("uid %i at a daemon of uid %i: %s", async (uid, ownUid, admitted) => {
    const { socketPath } = await startServer(vectorView(), {
      ownUid,
      credentialsOf: () => ({ pid: 1, uid, gid: uid }),
    });
    const client = new RawClient(socketPath);
    client.send(ping);
    if (admitted) expect(await client.answers(1)).toHaveLength(1);
    else {
      await client.ended;
      expect(client.lines).toEqual([]);
    }
  });

  test("an unknown caller is refused", async () => {
    const credentialsOf = () => {
      throw new Error("EBADF");
    };
    const { socketPath } = await startServer(vectorView(), { credentialsOf });
    const client = new RawClient(socketPath);
    client.send(ping);
    await client.ended;
    expect(client.lines).toEqual([]);
  });

  test("credentials are asked of the connection's own descriptor", async () => {
    const descriptors: number[] = [];
    const credentialsOf = (fd: number) => {
      descriptors.push(fd);
      return { pid: 1, uid: 0, gid: 0 };
    };
    const { socketPath } = await startServer(vectorView(), { credentialsOf });
    await callOnce({ socketPath }, "daemon.ping");
    expect(descriptors[0]).toBeGreaterThan(2);
  });
});

describe("stopping", () => {
  test("lets a call in flight finish and drops idle connections", async () => {
    let finish: (() => void) | null = null;
    const reload = () =>
      new Promise<{ changed: string[]; warning: null; restart: string[] }>((resolve) => {
        finish = () => resolve({ changed: [], warning: null, restart: [] });
      });
    const { socketPath, server } = await startServer(vectorView({ reload }));
    const idle = new RawClient(socketPath);
    const busy = new RawClient(socketPath);
    idle.send(ping);
    await idle.answers(1);
    busy.send('{"jsonrpc":"2.0","method":"daemon.reload","id":1}\n');
    busy.send(ping);
    await expect.poll(() => finish).not.toBeNull();
    const stopped = server.stop(5000);
    await idle.ended;
    (finish as (() => void) | null)?.();
    await stopped;
    await busy.ended;
    expect(busy.lines).toHaveLength(1);
    expect(busy.lines[0]).toContain('"changed":[]');
  });

  test("waits for a hanging call no longer than the deadline", async () => {
    const { socketPath, server } = await startServer(vectorView({ reload: () => new Promise(() => {}) }));
    const client = new RawClient(socketPath);
    client.send(ping);
    await client.answers(1);
    client.send('{"jsonrpc":"2.0","method":"daemon.reload","id":1}\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.stop(50);
    await client.ended;
    expect(client.lines).toHaveLength(1);
  });
});

describe("the group of the socket", () => {
  const nobody = 65_534;
  /** A process of another user, as far as the socket's rights let it in. */
  async function callAs(socketPath: string, user: string[], method: string): Promise<string> {
    const script = `
      const socket = require("net").connect(${JSON.stringify(socketPath)});
      socket.on("error", (error) => { console.log(error.code); process.exit(0); });
      socket.on("close", () => process.exit(0));
      socket.on("data", (data) => { console.log(String(data)); process.exit(0); });
      socket.write('{"jsonrpc":"2.0","method":"${method}","id":1}\\n');`;
    const child = spawn("setpriv", [...user, process.execPath, "-e", script], { cwd: "/" });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
    });
    await once(child, "close");
    return output;
  }
  const member = ["--reuid", "1234", "--regid", "1234", "--groups", String(nobody)];
  const primary = ["--reuid", "1234", "--regid", String(nobody), "--clear-groups"];
  const stranger = ["--reuid", "1234", "--regid", "1234", "--clear-groups"];

  test.each([
    ["a further group", member],
    ["the primary one", primary],
  ])("members by %s look, and may change nothing; strangers do not get in", async (_what, user) => {
    const { socketPath } = await startServer(vectorView(), {
      group: { id: nobody, admin: false },
      credentialsOf: peerCredentials,
    });
    chmodSync(path.dirname(socketPath), 0o755);
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    expect(await callAs(socketPath, user, "daemon.ping")).toContain('"pong":true');
    expect(await callAs(socketPath, user, "daemon.reload")).toContain("ERR_RPC_ROLE");
    expect(await callAs(socketPath, stranger, "daemon.ping")).toContain("EACCES");
  });

  test("who may only look cannot fill the audit with what he was refused", async () => {
    const noted: unknown[] = [];
    const { socketPath } = await startServer(vectorView(), {
      group: { id: nobody, admin: false },
      credentialsOf: () => ({ pid: 1, uid: 1234, gid: nobody }),
      audit: (record) => noted.push(record),
    });
    for (let connection = 0; connection < 3; connection += 1) {
      const client = new RawClient(socketPath);
      client.send('{"jsonrpc":"2.0","method":"daemon.reload","params":{"x":"y"},"id":1}\n'.repeat(20));
      await client.answers(20);
    }
    expect(noted).toHaveLength(10);
    expect(JSON.stringify(noted)).not.toContain('"y"');
  });

  test("with admin, members change things too", async () => {
    const view = vectorView();
    const { socketPath } = await startServer(view, {
      group: { id: nobody, admin: true },
      credentialsOf: peerCredentials,
    });
    chmodSync(path.dirname(socketPath), 0o755);
    expect(await callAs(socketPath, member, "daemon.reload")).toContain('"changed"');
    expect(view.calls).toEqual(["reload"]);
  });

  test("who is no member is refused also where the file let him in", async () => {
    const { socketPath } = await startServer(vectorView(), {
      group: { id: nobody, admin: true },
      credentialsOf: peerCredentials,
    });
    chmodSync(path.dirname(socketPath), 0o755);
    chmodSync(socketPath, 0o666);
    expect(await callAs(socketPath, stranger, "daemon.ping")).not.toContain("pong");
  });

  test("is found by name and by number", () => {
    expect(groupId("root")).toBe(0);
    expect(groupId("4711")).toBe(4711);
    expect(() => groupId("no-such-group")).toThrow(/no-such-group/);
  });
});

describe("places for connections", () => {
  test("who is idle makes room, the longest first; who follows or is busy stays", async () => {
    const { socketPath } = await startServer(vectorView(), { limits: { connections: 2 } });
    const [first, second] = [new RawClient(socketPath), new RawClient(socketPath)];
    first.send(ping);
    await first.answers(1);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    second.send(ping);
    await second.answers(1);
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
    await first.ended;
    second.send(ping);
    expect(await second.answers(2)).toHaveLength(2);
  });

  test("callers that only look cannot keep an admin out", async () => {
    let caller = { pid: 1, uid: 1234, gid: 7 };
    const { socketPath } = await startServer(vectorView(), {
      limits: { connections: 4 },
      group: { id: 7, admin: false },
      ownUid: 0,
      credentialsOf: () => {
        caller = { ...caller, uid: caller.uid === 0 ? 0 : caller.uid + 1 };
        return caller;
      },
    });
    const lookers = Array.from({ length: 6 }, () => new RawClient(socketPath));
    for (const looker of lookers) looker.send(ping);
    await expect.poll(() => lookers.filter(({ lines }) => lines.length > 0).length).toBe(2);
    await Promise.all(lookers.slice(2).map(({ ended }) => ended));
    caller = { pid: 1, uid: 0, gid: 0 };
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("fewer are taken while there are few to spare", async () => {
    let spare = 1;
    const { socketPath } = await startServer(vectorView(), { spareConnections: () => spare });
    const held = new RawClient(socketPath);
    held.send(ping);
    await held.answers(1);
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toMatchObject({ code: "ERR_NOT_RUNNING" });
    spare = 2;
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });
});
