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

test("nothing is left of a key or a secret whose handle was collected", { timeout: 120_000 }, async () => {
  const secret = Buffer.from(randomBytes(64).toString("base64url"));
  const [key, psk] = [randomBytes(32), randomBytes(32)];
  const files = { secret: secret.toString(), key: key.toString("base64"), psk: psk.toString("base64") };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), `${text}\n`, { mode: 0o600 });
  }
  const derived = (label: string): Buffer => Buffer.from(hkdfSync("sha256", secret, "", label, 32));
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
    const { MeshSecret, PresharedKey, PrivateKey } = require(${JSON.stringify(addon)});
    const secret = MeshSecret.fromFile("secret");
    let held = [secret, PrivateKey.fromFile("key"), PresharedKey.fromFile("psk"),
      PresharedKey.derive(secret), PresharedKey.derive(secret, "a label")];
    held[1].publicKey; held[1].save("copy"); held[0].seal(Buffer.alloc(12), Buffer.from("x"));
    console.log("held");
    process.stdin.once("data", async () => {
      held = null;
      for (let i = 0; i < 5; i += 1) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
      console.log("dropped");
    });`;
  // In a function of its own, so that no variable of the module keeps the secret.
  const script = `(() => {${program}})()`;
  child = spawn(process.execPath, ["--expose-gc", "-e", script], { cwd: folder });
  const { pid = 0 } = child;

  expect(await line()).toBe("held");
  const before = occurrences(pid, held);
  for (const [name, times] of Object.entries(before)) expect(times, name).toBeGreaterThan(0);
  expect(Object.entries(occurrences(pid, onTheWay)).filter(([, times]) => times > 0)).toEqual([]);

  child.stdin.write("drop\n");
  expect(await line()).toBe("dropped");
  const after = occurrences(pid, new Map([...held, ...onTheWay]));
  expect(Object.entries(after).filter(([, times]) => times > 0)).toEqual([]);
});
