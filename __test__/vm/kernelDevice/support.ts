/** What the cases of the kernel's WireGuard share: peers by number, a device of each case's own, and `wg` to judge it. */
import assert from "node:assert/strict";
import {
  type DeviceState,
  linkGet,
  MeshSecret,
  NodeIdentity,
  type PeerChange,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";
import { ipv4, publicKey as key } from "../scale/population.ts";
import { wgDump } from "../scale/wg.ts";

const secret = MeshSecret.fromText("a secret for the tests of the kernel's WireGuard");
const presharedKey = PresharedKey.derive(secret);
export const identity = NodeIdentity.load("/run/not-there.json");

export function peer(number: number, more: Partial<PeerChange> = {}): PeerChange {
  return {
    publicKey: key(number),
    presharedKey,
    endpoint: number % 2 === 0 ? `192.0.2.1:${1000 + number}` : `[2001:db8::${number.toString(16)}]:51820`,
    allowedIps: [ipv4(number), `fd00::${number.toString(16)}/128`],
    keepaliveSeconds: 25,
    ...more,
  };
}

export function peers(count: number): PeerChange[] {
  return Array.from({ length: count }, (_, number) => peer(number + 1));
}

export async function apply(
  device: WireGuardDevice,
  changes: PeerChange[],
): Promise<{ publicKey: string; error: string }[]> {
  return await device.apply(changes);
}

export async function applyAll(device: WireGuardDevice, changes: PeerChange[]): Promise<void> {
  assert.deepEqual(await apply(device, changes), []);
}

export async function read(device: WireGuardDevice): Promise<DeviceState> {
  return await device.read();
}

/** What we read is what `wg` reads. */
export async function assertSameAsWg(device: WireGuardDevice, count: number): Promise<void> {
  const state = await read(device);
  const expected = wgDump(device.name);
  assert.equal(expected.size, count);
  assert.equal(state.peers.length, count, "a peer whose dump was split is one peer");
  for (const actual of state.peers) {
    const seen = expected.get(actual.publicKey);
    assert.ok(seen, actual.publicKey);
    assert.equal(actual.hasPresharedKey, seen.presharedKey !== "(none)");
    assert.equal(actual.endpoint ?? "(none)", seen.endpoint);
    assert.deepEqual([...actual.allowedIps].sort(), seen.allowedIps);
    assert.equal(actual.keepaliveSeconds === 0 ? "off" : `${actual.keepaliveSeconds}`, seen.keepalive);
  }
}

export async function allowedIps(device: WireGuardDevice, number: number): Promise<string[]> {
  const found = (await read(device)).peers.find((candidate) => candidate.publicKey === key(number));
  assert.ok(found, `peer ${number} is there`);
  return [...found.allowedIps].sort();
}

let interfaces = 0;

/** A device of its own for each case, removed also when the case fails. */
export function withDevice(body: (device: WireGuardDevice) => Promise<void>): () => Promise<void> {
  return async () => {
    interfaces += 1;
    const device = WireGuardDevice.open("kernel", `wgt${interfaces}`, 0);
    try {
      await body(device);
    } finally {
      device.close(true);
    }
    assert.equal(linkGet(device.name), null);
  };
}

export function throwsCode(call: () => unknown, code: string, text: RegExp): void {
  assert.throws(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}

export async function rejectsCode(call: Promise<unknown>, code: string, text: RegExp): Promise<void> {
  await assert.rejects(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}
