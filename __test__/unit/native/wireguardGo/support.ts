/** What the cases of wireguard-go share: a device of each case's own that leaves nothing, and waiting. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type DeviceEvent,
  linkGet,
  MeshSecret,
  NodeIdentity,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";
import { children, childThreads } from "../processes.ts";

export const addon = createRequire(import.meta.url).resolve("@wgmesh/native");
export const presharedKey = PresharedKey.derive(
  MeshSecret.fromText("a secret for the tests of wireguard-go"),
);
export const newIdentity = () => NodeIdentity.load("/nonesuch/state.json");
export const keyOf = (byte: number) => Buffer.alloc(32, byte).toString("base64");
export const sockets = "/run/wireguard";

let devices = 0;
export const newName = () => `wgg${++devices}`;
export const open = (name = newName(), options = {}) =>
  WireGuardDevice.open("wireguard-go", name, 0, options);

/** That nothing of the device is left. */
export function assertGone(name: string): void {
  assert.equal(linkGet(name), null);
  assert.deepEqual(existsSync(sockets) ? readdirSync(sockets) : [], []);
  assert.deepEqual(children(), [], "no child, no zombie");
  // The one that read the child's output has told so as its last word, and leaves while we look.
  for (let tries = 0; tries < 200 && childThreads().length > 0; tries += 1) pause(10);
  assert.deepEqual(childThreads(), []);
}

/** Milliseconds in which nothing of JavaScript runs. */
const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** A case with a device of its own, which is gone afterwards. */
export function withDevice(body: (device: WireGuardDevice) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const device = open();
    try {
      await body(device);
    } finally {
      device.close(true);
    }
    assertGone(device.name);
  };
}

/** The same with the device's events, for a case that ends it in another way. */
export function withEvents(
  body: (device: WireGuardDevice, events: DeviceEvent[]) => Promise<void>,
): () => Promise<void> {
  return withDevice(async (device) => {
    const events: DeviceEvent[] = [];
    device.onEvent((event) => events.push(event));
    await body(device, events);
  });
}

export async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-wggo-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function until(what: string, done: () => boolean, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!done()) {
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const coded = (code: string, text: RegExp) => (error: Error & { code?: string }) => {
  assert.match(error.message, text);
  assert.equal(error.code, code);
  return true;
};

export const childPid = (): number => children()[0]?.pid ?? assert.fail("no child");
