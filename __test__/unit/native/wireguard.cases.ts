/**
 * The binding's own promises (JSON, errors, events, closing), on the embedded backend, which works on every kernel. The kernel
 * backend has its cases in the VM (__test__/vm/kernelDevice.cases.ts).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createRequire } from "node:module";
import {
  addressAdd,
  addressList,
  type DeviceEvent,
  type DeviceState,
  linkGet,
  linkSetUp,
  MeshSecret,
  NodeIdentity,
  type PeerChange,
  WireGuardDevice,
} from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";

const addon = createRequire(import.meta.url).resolve("@wgmesh/native");
const secret = MeshSecret.fromText("a secret for the tests of the embedded WireGuard");
const newIdentity = () => NodeIdentity.load("/nonesuch/state.json");
const someKey = Buffer.alloc(32, 5).toString("base64");

let devices = 0;

function open(): WireGuardDevice {
  devices += 1;
  return WireGuardDevice.open("embedded", `wge${process.pid % 10000}x${devices}`, 0);
}

async function read(device: WireGuardDevice): Promise<DeviceState> {
  return JSON.parse(await device.read());
}

async function apply(device: WireGuardDevice, ...changes: PeerChange[]): Promise<unknown> {
  return JSON.parse(await device.apply(secret, JSON.stringify(changes)));
}

/** A case with a device of its own, which is gone afterwards. */
function withDevice(body: (device: WireGuardDevice) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const device = open();
    try {
      await body(device);
    } finally {
      device.close(true);
    }
    assert.equal(linkGet(device.name), null);
  };
}

const coded = (code: string, text: RegExp) => (error: Error & { code?: string }) => {
  assert.match(error.message, text);
  assert.equal(error.code, code);
  return true;
};

export const cases: Cases = {
  "an interface is made, configured and shown": withDevice(async (device) => {
    assert.equal(device.kind, "embedded");
    assert.equal(device.adopted, false);
    assert.equal(linkGet(device.name)?.index, device.index);
    const identity = newIdentity();
    device.configure(identity, 0);
    device.up();
    assert.equal(linkGet(device.name)?.up, true);
    const change: PeerChange = {
      publicKey: someKey,
      presharedKey: true,
      endpoint: "192.0.2.7:51820",
      allowedIps: ["10.1.2.3/32", "fd00::3/64"],
      keepaliveSeconds: 25,
    };
    assert.deepEqual(await apply(device, change), []);
    const state = await read(device);
    assert.equal(state.publicKey, identity.publicKey);
    assert.equal(state.listenPort, device.listenPort());
    const [peer, ...others] = state.peers;
    assert.equal(others.length, 0);
    assert.deepEqual(peer?.allowedIps.sort(), ["10.1.2.3/32", "fd00::/64"]);
    assert.equal(peer?.publicKey, someKey);
    assert.equal(peer?.hasPresharedKey, true);
    assert.equal(peer?.endpoint, "192.0.2.7:51820");
    assert.equal(peer?.keepaliveSeconds, 25);
    assert.equal(peer?.lastHandshakeMs, 0);
  }),

  "names, kinds, MTUs and ports that cannot be are refused": withDevice((device) => {
    const attempt = (kind: string, name: string, mtu: number) => () =>
      WireGuardDevice.open(kind as "embedded", name, mtu);
    assert.throws(attempt("embedded", "a/b", 0), coded("EINVAL", /cannot use interface name "a\/b"/));
    assert.throws(attempt("other", "wg9", 0), coded("EINVAL", /cannot use backend "other"/));
    assert.throws(
      attempt("embedded", "wg9", 70_000),
      coded("EINVAL", /cannot open wg9: no MTU can be 70000/),
    );
    assert.throws(() => device.configure(newIdentity(), 65_536), coded("EINVAL", /no port can be 65536/));
    assert.equal(linkGet("wg9"), null);
  }),

  "a link that is not WireGuard is refused and stays": () => {
    execFileSync("ip", ["link", "add", "taken", "type", "veth", "peer", "name", "taken2"]);
    for (const kind of ["kernel", "embedded"] as const) {
      assert.throws(
        () => WireGuardDevice.open(kind, "taken", 0),
        coded("NOT_WIREGUARD", /cannot \w+ taken: .*veth/),
      );
    }
    assert.equal(linkGet("taken")?.kind, "veth");
  },

  "a port in use is EADDRINUSE": withDevice(async (device) => {
    const holder = createSocket("udp4");
    holder.bind(0);
    await once(holder, "listening");
    try {
      const { port } = holder.address();
      assert.throws(
        () => device.configure(newIdentity(), port),
        coded("EADDRINUSE", new RegExp(`${port}|bind`)),
      );
    } finally {
      holder.close();
    }
  }),

  "a batch that is no batch is refused, a bad entry alone": withDevice(async (device) => {
    device.configure(newIdentity(), 0);
    for (const json of ["", "{}", '[{"publicKey":1}]', `[{"publicKey":"${someKey}","typo":1}]`]) {
      await assert.rejects(
        device.apply(secret, json),
        coded("EINVAL", /cannot read the list of peer changes/),
      );
    }
    const failed = await apply(device, { publicKey: "x" }, { publicKey: someKey });
    assert.deepEqual(failed, [
      { publicKey: "x", error: "EINVAL: cannot read public key x: not base64 of 32 bytes" },
    ]);
    assert.equal((await read(device)).peers.length, 1);
  }),

  "reset removes peers and addresses": withDevice(async (device) => {
    device.configure(newIdentity(), 0);
    device.up();
    addressAdd(device.name, "10.1.2.3/16");
    addressAdd(device.name, "fd00::3/64");
    await apply(device, { publicKey: someKey });
    await device.reset();
    assert.deepEqual(addressList(device.name), []);
    assert.deepEqual((await read(device)).peers, []);
    assert.equal(linkGet(device.name)?.up, true);
  }),

  "two devices shake hands, each tells it as an event, and the state shows it": async () => {
    linkSetUp("lo");
    const [left, right] = [open(), open()];
    try {
      const [leftIdentity, rightIdentity] = [newIdentity(), newIdentity()];
      const events: DeviceEvent[] = [];
      left.onEvent((json) => events.push(JSON.parse(json)));
      right.onEvent((json) => events.push(JSON.parse(json)));
      for (const [device, identity] of [
        [left, leftIdentity],
        [right, rightIdentity],
      ] as const) {
        device.configure(identity, 0);
        device.up();
      }
      const endpoint = `127.0.0.1:${right.listenPort()}`;
      await apply(right, { publicKey: leftIdentity.publicKey, presharedKey: true });
      await apply(left, {
        publicKey: rightIdentity.publicKey,
        presharedKey: true,
        endpoint,
        keepaliveSeconds: 5,
      });
      const seen = () => events.flatMap((event) => (event.type === "handshake" ? [event.publicKey] : []));
      const deadline = performance.now() + 20_000;
      while (new Set(seen()).size < 2 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.deepEqual([...new Set(seen())].sort(), [leftIdentity.publicKey, rightIdentity.publicKey].sort());
      const [peer] = (await read(left)).peers;
      assert.ok(peer && Math.abs(Date.now() - peer.lastHandshakeMs) < 30_000, `${peer?.lastHandshakeMs}`);
    } finally {
      left.close(true);
      right.close(true);
    }
  },

  "calls at once take turns; closing waits for them, and later ones say that it was closed": async () => {
    const device = open();
    device.configure(newIdentity(), 0);
    const calls = [device.read(), apply(device, { publicKey: someKey }), device.read(), device.reset()];
    await Promise.all(calls);
    const late = device.read();
    device.close(true);
    device.close(true);
    await late.then(
      (json) => assert.deepEqual(JSON.parse(json).peers, []),
      (error) => coded("EBADF", /the device was closed/)(error),
    );
    await assert.rejects(device.read(), coded("EBADF", /cannot read wge\w+: the device was closed/));
    await assert.rejects(device.reset(), coded("EBADF", /cannot reset/));
    assert.throws(() => device.listenPort(), coded("EBADF", /cannot read/));
    assert.throws(() => device.up(), coded("EBADF", /cannot set up/));
    assert.equal(linkGet(device.name), null);
  },

  "a device that listens for events does not keep the process alive, and goes with it": () => {
    const program = `
      const { WireGuardDevice } = require(${JSON.stringify(addon)});
      WireGuardDevice.open("embedded", "wgbrief", 0).onEvent(() => {});`;
    execFileSync(process.execPath, ["-e", program], { timeout: 20_000 });
    assert.equal(linkGet("wgbrief"), null);
  },
};
