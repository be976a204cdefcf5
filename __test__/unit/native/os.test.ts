import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileLock, hasCapability, NamespaceLock, peerCredentials, sdNotify, version } from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import packageJson from "../../../native/package.json" with { type: "json" };

const addon = new URL("../../../native/index.js", import.meta.url).pathname;

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-test-os-"));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a process that runs `statement` on the addon `n`, says so, and stays until it is killed. */
async function holder(statement: string): Promise<ChildProcess> {
  const program = `const n = require(${JSON.stringify(addon)}); globalThis.held = ${statement};
    process.stdout.write("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout as NodeJS.EventEmitter, "data");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("the version is the package's", () => {
  expect(version).toBe(packageJson.version);
});

describe("FileLock", () => {
  test("is held against other processes until they are gone, and the file stays", async () => {
    const path = join(folder, "wg0.lock");
    const other = await holder(`n.FileLock.tryAcquire(${JSON.stringify(path)})`);
    expect(FileLock.tryAcquire(path)).toBeNull();
    await kill(other);
    const lock = FileLock.tryAcquire(path);
    expect(lock).toBeInstanceOf(FileLock);
    expect(FileLock.tryAcquire(path)).toBeNull();
    lock?.release();
    lock?.release();
    expect(FileLock.tryAcquire(path)).not.toBeNull();
    expect(existsSync(path)).toBe(true);
  });

  test("a child does not inherit it", async () => {
    const path = join(folder, "wg0.lock");
    const statement = `[n.FileLock.tryAcquire(${JSON.stringify(path)}),
      require("child_process").spawn("sleep", ["5"], { stdio: "ignore" }).pid]; process.stdout.write(String(held[1]))`;
    const program = `const n = require(${JSON.stringify(addon)}); const held = ${statement}; process.kill(process.pid, "SIGKILL")`;
    const { stdout } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
    try {
      expect(FileLock.tryAcquire(path)).not.toBeNull();
    } finally {
      process.kill(Number(stdout), "SIGKILL");
    }
  });
});

describe("NamespaceLock", () => {
  test("tells the PID of the holder, and is free when that is gone", async () => {
    const name = `test-${process.pid}`;
    const other = await holder(`n.NamespaceLock.tryAcquire(${JSON.stringify(name)})`);
    expect(NamespaceLock.tryAcquire(name)).toBe(other.pid);
    await kill(other);
    const lock = NamespaceLock.tryAcquire(name);
    expect(lock).toBeInstanceOf(NamespaceLock);
    (lock as NamespaceLock).release();
    (NamespaceLock.tryAcquire(name) as NamespaceLock).release();
  });
});

test("peerCredentials are those of the process at the other end", async () => {
  const path = join(folder, "socket");
  const server = createServer();
  const connected = once(server, "connection");
  await once(server.listen(path), "listening");
  try {
    const child = await holder(`require("net").connect(${JSON.stringify(path)})`);
    const [socket] = (await connected) as [{ _handle: { fd: number }; destroy(): void }];
    const expected = { pid: child.pid, uid: process.geteuid?.(), gid: process.getegid?.() };
    expect(peerCredentials(socket._handle.fd)).toEqual(expected);
    socket.destroy();
  } finally {
    server.close();
  }
  expect(() => peerCredentials(-1)).toThrow(/^EBADF: cannot identify the peer of descriptor -1: /);
});

test("sdNotify says whether somebody listens", () => {
  try {
    vi.stubEnv("NOTIFY_SOCKET", "");
    expect(sdNotify("READY=1")).toBe(false);
    vi.stubEnv("NOTIFY_SOCKET", join(folder, "nobody"));
    expect(() => sdNotify("READY=1")).toThrow(/^ENOENT: cannot notify /);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("hasCapability is false without the right, and an unknown name an error", () => {
  expect(() => hasCapability("CAP_NOTHING")).toThrow(/^EINVAL: /);
  // Loaded before root is given up, since the folder of the package may be closed to others.
  const program = `const n = require(${JSON.stringify(addon)});
    if (process.geteuid() === 0) process.setuid(65534);
    console.log(n.hasCapability("CAP_NET_ADMIN"));`;
  expect(spawnSync(process.execPath, ["-e", program], { encoding: "utf8" }).stdout).toBe("false\n");
});
