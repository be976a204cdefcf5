/**
 * The binding's own promises (JSON, errors, events, closing), on the embedded backend, which works on every kernel. The kernel
 * backend has its cases in the VM (__test__/vm/kernelDevice.cases.ts).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  addressAdd,
  addressList,
  type DeviceEvent,
  linkGet,
  linkSetUp,
  MeshSecret,
  NodeIdentity,
  type PeerChange,
  type PeerFailure,
  PresharedKey,
  PrivateKey,
  WireGuardDevice,
} from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";

const addon = createRequire(import.meta.url).resolve("@wgmesh/native");
const secret = MeshSecret.fromText("a secret for the tests of the embedded WireGuard");
const presharedKey = PresharedKey.derive(secret);
const newIdentity = () => NodeIdentity.load("/nonesuch/state.json");
const someKey = Buffer.alloc(32, 5).toString("base64");

let devices = 0;

function open(): WireGuardDevice {
  devices += 1;
  return WireGuardDevice.open("embedded", `wge${process.pid % 10000}x${devices}`, 0);
}

function apply(device: WireGuardDevice, ...changes: PeerChange[]): Promise<PeerFailure[]> {
  return device.apply(changes);
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
  "a reading shows what was asked for before it, on whichever thread it is made, and of however many peers":
    withDevice(async (device) => {
      device.configure({ identity: newIdentity() });
      // With more than a hundred it is made on another thread.
      for (const count of [1, 100, 101]) {
        const changes = Array.from({ length: count }, (_, index) => ({
          publicKey: Buffer.alloc(32, index + 1).toString("base64"),
        }));
        const [refused, { peers }] = await Promise.all([device.apply(changes), device.read()]);
        assert.deepEqual([refused, peers.length], [[], count]);
        assert.equal((await device.read()).peers.length, count);
      }
      device.close(true);
      await assert.rejects(device.read(), coded("EBADF", /was closed/));
    }),

  "an interface is made, configured and shown": withDevice(async (device) => {
    assert.equal(device.kind, "embedded");
    assert.equal(device.adopted, false);
    assert.equal(linkGet(device.name)?.index, device.index);
    const identity = newIdentity();
    device.configure({ identity });
    device.up();
    assert.equal(linkGet(device.name)?.up, true);
    const change: PeerChange = {
      publicKey: someKey,
      presharedKey,
      endpoint: "192.0.2.7:51820",
      allowedIps: ["10.1.2.3/32", "fd00::3/64"],
      keepaliveSeconds: 25,
    };
    assert.deepEqual(await apply(device, change), []);
    const state = await device.read();
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
    assert.throws(
      () => device.configure({ identity: newIdentity(), listenPort: 65_536 }),
      coded("EINVAL", /no port can be 65536/),
    );
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
        () => device.configure({ identity: newIdentity(), listenPort: port }),
        coded("EADDRINUSE", new RegExp(`${port}|bind`)),
      );
    } finally {
      holder.close();
    }
  }),

  "a batch that is no batch is refused, a bad entry alone": withDevice(async (device) => {
    device.configure({ identity: newIdentity() });
    for (const batch of ["", {}, null, [null], [{ publicKey: 1 }], [{ publicKey: someKey, typo: 1 }]]) {
      await assert.rejects(
        device.apply(batch as PeerChange[]),
        coded("EINVAL", /cannot read the list of peer changes/),
      );
    }
    const text = { publicKey: someKey, presharedKey: someKey as unknown as PresharedKey };
    await assert.rejects(device.apply([text]), (error: Error) => {
      assert.ok(!error.message.includes(someKey), "it may be a key that is secret");
      return coded("EINVAL", /a presharedKey is neither a PresharedKey nor null/)(error);
    });
    const failed = await apply(device, { publicKey: "x" }, { publicKey: someKey });
    assert.deepEqual(failed, [
      { publicKey: "x", error: "EINVAL: cannot read public key x: not base64 of 32 bytes" },
    ]);
    assert.equal((await device.read()).peers.length, 1);
  }),

  "each peer has its own preshared key, which can be taken away": withDevice(async (device) => {
    device.configure({ privateKey: PrivateKey.generate() });
    const names = ["a", "b", "c"].map((name) => Buffer.alloc(32, name).toString("base64"));
    const [a = "", b = "", c = ""] = names;
    const own = PresharedKey.derive(secret, "of b alone");
    const kept = { publicKey: c };
    await apply(device, { publicKey: a, presharedKey }, { publicKey: b, presharedKey: own }, kept);
    const keys = () => {
      const dump = execFileSync("wg", ["show", device.name, "preshared-keys"], { encoding: "utf8" });
      return new Map(
        dump
          .trimEnd()
          .split("\n")
          .map((line) => line.split("\t") as [string, string]),
      );
    };
    const before = keys();
    const saved = path.join(mkdtempSync(path.join(tmpdir(), "wgmesh-test-psk-")), "psk");
    try {
      own.save(saved);
      assert.equal(before.get(b), readFileSync(saved, "utf8").trim());
    } finally {
      rmSync(path.dirname(saved), { recursive: true });
    }
    assert.notEqual(before.get(a), before.get(b));
    assert.equal(before.get(c), "(none)");
    await apply(
      device,
      { publicKey: a, presharedKey: null },
      { publicKey: b },
      { publicKey: c, presharedKey },
    );
    const after = keys();
    assert.equal(after.get(a), "(none)");
    assert.equal(after.get(b), before.get(b));
    assert.equal(after.get(c), before.get(a));
    const peers = new Map((await device.read()).peers.map((peer) => [peer.publicKey, peer.hasPresharedKey]));
    assert.deepEqual([peers.get(a), peers.get(b), peers.get(c)], [false, true, true]);

    const changed = async () => {
      const all = new Map((await device.read()).peers.map((peer) => [peer.publicKey, peer]));
      return [a, b, c].map((key) => all.get(key)?.presharedKeyChanged);
    };
    assert.deepEqual(await changed(), [false, false, false]);
    const other = Buffer.alloc(32, 5).toString("base64");
    for (const key of [a, b]) {
      // By a pipe: what Node.js gives as standard input cannot be opened once more.
      const change = `echo ${other} | wg set ${device.name} peer ${key} preshared-key /dev/stdin`;
      execFileSync("sh", ["-c", change]);
    }
    assert.deepEqual(await changed(), [true, true, false]);
    await apply(device, { publicKey: b, presharedKey });
    assert.deepEqual(await changed(), [true, false, false]);
  }),

  "a configuration is whole: what is left out is the default, and a slip is refused": withDevice(
    async (device) => {
      const privateKey = PrivateKey.generate();
      const mark = () => execFileSync("wg", ["show", device.name, "fwmark"], { encoding: "utf8" }).trim();
      device.configure({ privateKey, fwmark: 0xffff_ffff });
      assert.equal((await device.read()).publicKey, privateKey.publicKey);
      assert.equal((await device.read()).fwmark, 0xffff_ffff);
      assert.equal(mark(), "0xffffffff");
      const port = device.listenPort();
      device.configure({ privateKey });
      assert.equal(mark(), "off");
      assert.equal(device.listenPort(), port, "any port will do, so the one there is");
      const configure = (configuration: object) => () => device.configure(configuration);
      const one = /cannot configure wge\w+: it takes a privateKey or an identity, one of them/;
      assert.throws(configure({ listenPort: 1 }), coded("EINVAL", one));
      assert.throws(configure({ privateKey, identity: newIdentity() }), coded("EINVAL", one));
      assert.throws(configure({ privateKey, listenPort: 1.5 }), coded("EINVAL", /1\.5 is no whole number/));
      for (const listenPort of [-1, 2 ** 32 + 51_820]) {
        const range = /listenPort -?\d+ is not in 0\.\.4294967295/;
        assert.throws(configure({ privateKey, listenPort }), coded("EINVAL", range));
      }
      assert.throws(configure({ privateKey, fwmark: -1 }), coded("EINVAL", /fwmark -1 is not in/));
      assert.throws(configure({ privateKey, fwmark: Number.NaN }), coded("EINVAL", /fwmark NaN is not in/));
      assert.throws(
        configure({ privateKey, port: 1 }),
        coded("EINVAL", /there is no option port, only privateKey/),
      );
      assert.throws(configure({ privateKey: someKey }), (error: Error) => {
        assert.ok(!error.message.includes(someKey));
        return coded("EINVAL", /cannot call WireGuardDevice.configure/)(error);
      });
    },
  ),

  "reset removes peers and addresses": withDevice(async (device) => {
    device.configure({ identity: newIdentity() });
    device.up();
    addressAdd(device.name, "10.1.2.3/16");
    addressAdd(device.name, "fd00::3/64");
    await apply(device, { publicKey: someKey });
    await device.reset();
    assert.deepEqual(addressList(device.name), []);
    assert.deepEqual((await device.read()).peers, []);
    assert.equal(linkGet(device.name)?.up, true);
  }),

  "two devices shake hands, each tells it as an event, and the state shows it": async () => {
    linkSetUp("lo");
    const [left, right] = [open(), open()];
    try {
      const [leftIdentity, rightIdentity] = [newIdentity(), newIdentity()];
      const events: DeviceEvent[] = [];
      left.onEvent((event) => events.push(event));
      right.onEvent((event) => events.push(event));
      for (const [device, identity] of [
        [left, leftIdentity],
        [right, rightIdentity],
      ] as const) {
        device.configure({ identity });
        device.up();
      }
      const endpoint = `127.0.0.1:${right.listenPort()}`;
      await apply(right, { publicKey: leftIdentity.publicKey, presharedKey });
      await apply(left, {
        publicKey: rightIdentity.publicKey,
        presharedKey,
        endpoint,
        keepaliveSeconds: 5,
      });
      const seen = () => events.flatMap((event) => (event.type === "handshake" ? [event.publicKey] : []));
      const deadline = performance.now() + 20_000;
      while (new Set(seen()).size < 2 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.deepEqual([...new Set(seen())].sort(), [leftIdentity.publicKey, rightIdentity.publicKey].sort());
      const [peer] = (await left.read()).peers;
      assert.ok(peer && Math.abs(Date.now() - peer.lastHandshakeMs) < 30_000, `${peer?.lastHandshakeMs}`);
    } finally {
      left.close(true);
      right.close(true);
    }
  },

  "calls at once take turns; closing waits for them, and later ones say that it was closed": async () => {
    const device = open();
    device.configure({ identity: newIdentity() });
    const calls = [device.read(), apply(device, { publicKey: someKey }), device.read(), device.reset()];
    await Promise.all(calls);
    const late = device.read();
    device.close(true);
    device.close(true);
    await late.then(
      (state) => assert.deepEqual(state.peers, []),
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
