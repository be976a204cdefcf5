/** A device that works: configured, shown, changed, shaking hands. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  addressAdd,
  addressList,
  type BackendKind,
  linkGet,
  linkSetUp,
  WireGuardDevice,
} from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { children } from "../processes.ts";
import {
  assertGone,
  childPid,
  coded,
  keyOf,
  newIdentity,
  newName,
  open,
  presharedKey,
  withDevice,
} from "./support.ts";

export const device: Cases = {
  "an interface is made, configured and shown, by wg(8) too": withDevice(async (device) => {
    assert.equal(device.kind, "wireguard-go");
    assert.equal(device.adopted, false);
    assert.equal(linkGet(device.name)?.index, device.index);
    assert.equal(linkGet(device.name)?.kind, "tun");
    assert.deepEqual(
      children().map(({ name }) => name),
      ["wireguard-go"],
    );
    const identity = newIdentity();
    device.configure({ identity, listenPort: 51_900, fwmark: 7 });
    device.up();
    assert.equal(linkGet(device.name)?.up, true);
    assert.equal(device.listenPort(), 51_900);
    const failed = await device.apply([
      {
        publicKey: keyOf(5),
        presharedKey,
        endpoint: "192.0.2.7:51820",
        allowedIps: ["10.1.2.3/32", "fd00::3/64"],
        keepaliveSeconds: 25,
      },
    ]);
    assert.deepEqual(failed, []);
    const { peers, ...state } = await device.read();
    assert.deepEqual({ ...state }, { publicKey: identity.publicKey, listenPort: 51_900, fwmark: 7 });
    const [peer] = peers;
    assert.deepEqual(peer?.allowedIps.sort(), ["10.1.2.3/32", "fd00::/64"]);
    assert.equal(peer?.hasPresharedKey, true);
    assert.equal(peer?.endpoint, "192.0.2.7:51820");
    assert.equal(peer?.keepaliveSeconds, 25);
    const shown = execFileSync("wg", ["show", device.name], { encoding: "utf8" });
    assert.match(shown, /listening port: 51900[\s\S]*endpoint: 192\.0\.2\.7:51820/);
  }),

  "the child's command line and environment hold no more than they must": withDevice((device) => {
    const of = (file: string) => readFileSync(`/proc/${childPid()}/${file}`, "utf8").split("\0").slice(0, -1);
    assert.deepEqual(of("cmdline").slice(1), ["--foreground", device.name]);
    assert.deepEqual(of("environ").sort(), ["LOG_LEVEL=error", "WG_PROCESS_FOREGROUND=1"]);
  }),

  "peers are added, changed, replaced and removed": withDevice(async (device) => {
    device.configure({ identity: newIdentity() });
    const [a, b, c] = [keyOf(1), keyOf(2), keyOf(3)] as const;
    const networks = async () => {
      const { peers } = await device.read();
      return Object.fromEntries(peers.map((peer) => [peer.publicKey, peer.allowedIps.sort()]));
    };
    await device.apply([
      { publicKey: a, allowedIps: ["10.0.0.1/32", "10.0.0.2/32"] },
      { publicKey: b, allowedIps: ["10.0.0.3/32"] },
    ]);
    assert.deepEqual(await networks(), { [a]: ["10.0.0.1/32", "10.0.0.2/32"], [b]: ["10.0.0.3/32"] });
    // Replaced, moved from one to the other, and not made.
    const failed = await device.apply([
      { publicKey: a, updateOnly: true, allowedIps: ["10.0.0.2/32", "10.0.0.3/32"] },
      { publicKey: c, updateOnly: true, allowedIps: ["10.0.0.9/32"] },
      { publicKey: "x" },
    ]);
    assert.deepEqual(
      failed.map(({ publicKey }) => publicKey),
      ["x"],
    );
    assert.deepEqual(await networks(), { [a]: ["10.0.0.2/32", "10.0.0.3/32"], [b]: [] });
    await device.apply([
      { publicKey: a, reset: true, allowedIps: ["10.0.0.4/32"] },
      { publicKey: b, remove: true },
    ]);
    assert.deepEqual(await networks(), { [a]: ["10.0.0.4/32"] });
    addressAdd(device.name, "10.1.2.3/16");
    await device.reset();
    assert.deepEqual(await networks(), {});
    assert.deepEqual(addressList(device.name), []);
  }),

  "a thousand peers": withDevice(async (device) => {
    device.configure({ identity: newIdentity() });
    device.up();
    const keys = Array.from({ length: 1000 }, (_, n) => {
      const bytes = Buffer.alloc(32, 7);
      bytes.writeUInt32LE(n);
      return bytes.toString("base64");
    });
    const changes = keys.map((publicKey, n) => ({
      publicKey,
      presharedKey,
      allowedIps: [
        `10.${n >> 8}.${n & 255}.0/24`,
        `fd00:${n.toString(16)}::/64`,
        `10.200.${n >> 8}.${n & 255}/32`,
      ],
    }));
    assert.deepEqual(await device.apply(changes), []);
    const { peers } = await device.read();
    assert.equal(peers.length, 1000);
    assert.ok(peers.every((peer) => peer.allowedIps.length === 3 && peer.hasPresharedKey));
  }),

  "a port in use is EADDRINUSE, and so is one lost between its check and the link's coming up": withDevice(
    async (device) => {
      const holder = createSocket("udp4");
      holder.bind(0);
      await once(holder, "listening");
      const { port } = holder.address();
      const identity = newIdentity();
      const taken = coded("EADDRINUSE", new RegExp(`cannot bind UDP port ${port}`));
      assert.throws(() => device.configure({ identity, listenPort: port }), taken);
      await new Promise<void>((resolve) => holder.close(() => resolve()));

      device.configure({ identity, listenPort: port });
      assert.equal(device.listenPort(), port);
      const thief = createSocket("udp4");
      thief.bind(port);
      await once(thief, "listening");
      assert.throws(() => device.up(), taken);
      // As the daemon does: the next port, and up again.
      device.configure({ identity, listenPort: 51_901 });
      device.up();
      assert.equal(device.listenPort(), 51_901);
      assert.equal((await device.read()).listenPort, 51_901);
      thief.close();
    },
  ),

  "it shakes hands with its like and with the embedded engine": async () => {
    linkSetUp("lo");
    for (const kind of ["wireguard-go", "embedded"] as const satisfies BackendKind[]) {
      const [left, right] = [open(), WireGuardDevice.open(kind, newName(), 0)];
      try {
        const [leftIdentity, rightIdentity] = [newIdentity(), newIdentity()];
        left.configure({ identity: leftIdentity });
        right.configure({ identity: rightIdentity });
        left.up();
        right.up();
        await right.apply([{ publicKey: leftIdentity.publicKey, presharedKey }]);
        const endpoint = `127.0.0.1:${right.listenPort()}`;
        await left.apply([
          { publicKey: rightIdentity.publicKey, presharedKey, endpoint, keepaliveSeconds: 5 },
        ]);
        const deadline = performance.now() + 20_000;
        for (const device of [left, right]) {
          let handshakeMs = 0;
          while (handshakeMs === 0 && performance.now() < deadline) {
            handshakeMs = (await device.read()).peers[0]?.lastHandshakeMs ?? 0;
          }
          assert.ok(
            Math.abs(Date.now() - handshakeMs) < 30_000,
            `${device.kind} with ${kind}: ${handshakeMs}`,
          );
        }
      } finally {
        left.close(true);
        right.close(true);
      }
      assertGone(left.name);
    }
  },
};
