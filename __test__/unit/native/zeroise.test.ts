/**
 * What a handle held is gone from the whole memory of the process once the handle was collected, with everything that was derived
 * from it and every buffer it went through; while it is held it stands there in binary only. Looked at from outside, by /proc.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const addon = new URL("../../../native/index.js", import.meta.url).pathname;

let folder: string;
let child: ChildProcessWithoutNullStreams | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-test-zeroise-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** How often each of the texts stands in the writable memory of a process. */
function occurrences(pid: number, needles: ReadonlyMap<string, Buffer>): Record<string, number> {
  const counts = Object.fromEntries([...needles.keys()].map((name) => [name, 0]));
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw.. (?!.*\[v)/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const region = readRegion(memory, Number.parseInt(from, 16), Number.parseInt(to, 16));
      for (const [name, needle] of needles) counts[name] = (counts[name] ?? 0) + count(region, needle);
    }
  } finally {
    closeSync(memory);
  }
  return counts;
}

/** As much of it as there is: another thread may give a region back meanwhile. */
function readRegion(memory: number, from: number, to: number): Buffer {
  const region = Buffer.alloc(to - from);
  try {
    let length = 0;
    while (length < region.length) {
      const read = readSync(memory, region, length, region.length - length, from + length);
      if (read === 0) break;
      length += read;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
  }
  return region;
}

function count(region: Buffer, needle: Buffer): number {
  let found = 0;
  for (let at = region.indexOf(needle); at >= 0; at = region.indexOf(needle, at + 1)) found += 1;
  return found;
}

/** Waits for the next line of the child. */
function line(): Promise<string> {
  return new Promise((resolve, reject) => {
    child?.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
    child?.stderr.once("data", (text: Buffer) => reject(new Error(text.toString())));
  });
}

const secret = Buffer.from(randomBytes(64).toString("base64url"));
/** Clamped (RFC 7748, section 5), as the engine keeps it: a key that is not would be looked for in vain once its handle was collected. */
const key = randomBytes(32);
key.writeUInt8(key.readUInt8(0) & 248, 0);
key.writeUInt8((key.readUInt8(31) & 127) | 64, 31);
const psk = randomBytes(32);
const files = { secret: secret.toString(), key: key.toString("base64"), psk: psk.toString("base64") };
const derived = (label: string): Buffer => Buffer.from(hkdfSync("sha256", secret, "", label, 32));

/** In a network namespace, with a /run of its own, for UAPI sockets. */
const apart = ["unshare", "--net", "--mount", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"])];
const ownRun = ["sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"];

/**
 * Runs a program that puts all its handles into `held`, and `end`s what it started; `held` must stand in its memory while it has
 * them, and nothing of `held` or `onTheWay` afterwards.
 */
async function leavesNothing(
  program: string,
  held: ReadonlyMap<string, Buffer>,
  onTheWay: ReadonlyMap<string, Buffer>,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), `${text}\n`, { mode: 0o600 });
  }
  // In a function of its own, so that no variable of the module keeps a handle.
  const script = `(async () => {
    const { MeshSecret, PresharedKey, PrivateKey, WireGuardDevice, linkSetUp } = require(${JSON.stringify(addon)});
    let held = {};
    let end = () => {};
    // Events alone do not keep it running.
    setInterval(() => {}, 1000);
    ${program}
    console.log("held");
    process.stdin.once("data", async () => {
      end();
      held = end = null;
      for (let i = 0; i < 5; i += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      console.log("dropped");
    });
  })()`;
  const [command = "", ...args] = [...apart, ...ownRun, process.execPath, "--expose-gc", "-e", script];
  child = spawn(command, args, { cwd: folder });
  const { pid = 0 } = child;

  expect(await line()).toBe("held");
  const before = occurrences(pid, held);
  for (const [name, times] of Object.entries(before)) expect(times, name).toBeGreaterThan(0);

  child.stdin.write("drop\n");
  expect(await line()).toBe("dropped");
  const after = occurrences(pid, new Map([...held, ...onTheWay]));
  expect(Object.entries(after).filter(([, times]) => times > 0)).toEqual([]);
}

test("nothing is left of a key or a secret whose handle was collected", { timeout: 120_000 }, async () => {
  const held = new Map([
    ["private key", key],
    ["preshared key", psk],
    ["secret", secret],
    ["gossip key", derived("wgmesh-gossip-v1")],
    ["preshared key of the mesh", derived("wgmesh-wg-psk-v1")],
    ["preshared key of a label", derived("a label")],
  ]);
  const onTheWay = new Map([
    ["private key as text", Buffer.from(files.key)],
    ["preshared key as text", Buffer.from(files.psk)],
    ["extracted secret", createHmac("sha256", Buffer.alloc(32)).update(secret).digest()],
  ]);
  const program = `
    held = { secret: MeshSecret.fromFile("secret"), key: PrivateKey.fromFile("key"), psk: PresharedKey.fromFile("psk") };
    held.derived = [PresharedKey.derive(held.secret), PresharedKey.derive(held.secret, "a label")];
    held.key.publicKey;
    held.key.save("copy");
    held.secret.seal(Buffer.alloc(12), Buffer.from("x"));`;
  await leavesNothing(program, held, onTheWay);
});

test("nothing is left of the keys of a device that was closed", { timeout: 120_000 }, async () => {
  const held = new Map([
    ["private key", key],
    ["preshared key", psk],
  ]);
  const onTheWay = new Map([
    ["private key for wg", Buffer.from(key.toString("hex"))],
    ["preshared key for wg", Buffer.from(psk.toString("hex"))],
  ]);
  const program = `
    const psk = () => PresharedKey.fromFile("psk");
    linkSetUp("lo");
    const [left, right] = ["wg0", "wg1"].map((name) => WireGuardDevice.open("embedded", name));
    const [one, other] = [PrivateKey.fromFile("key"), PrivateKey.generate()];
    left.configure({ privateKey: one });
    right.configure({ privateKey: other });
    for (const device of [left, right]) device.up();
    const session = new Promise((resolve) => left.onEvent(({ type }) => type === "handshake" && resolve()));
    await right.apply([{ publicKey: one.publicKey, presharedKey: psk() }]);
    const endpoint = \`127.0.0.1:\${right.listenPort()}\`;
    await left.apply([{ publicKey: other.publicKey, presharedKey: psk(), endpoint, keepaliveSeconds: 5 }]);
    await session;
    require("node:child_process").spawnSync("wg", ["show", "wg0", "dump"], { stdio: "ignore" });
    held = [left, right, await left.read()];
    end = () => { for (const device of [left, right]) device.close(true); };`;
  await leavesNothing(program, held, onTheWay);
});
