/** Peers: set, changed, moved, removed, reset, in any number. */
import assert from "node:assert/strict";
import { addressAdd, linkGet, WireGuardDevice } from "@wgmesh/native";
import { type Cases, note } from "../cases.ts";
import { ipv4, publicKey as key } from "../scale/population.ts";
import { run, wgDump } from "../scale/wg.ts";
import { farNode, pinging } from "./far.ts";
import {
  allowedIps,
  apply,
  applyAll,
  assertSameAsWg,
  identity,
  peer,
  peers,
  read,
  withDevice,
} from "./support.ts";

export const peerCases: Cases = {
  "no peer": withDevice((device) => assertSameAsWg(device, 0)),

  "1 peer": withDevice(async (device) => {
    await applyAll(device, peers(1));
    await assertSameAsWg(device, 1);
  }),

  "21 peers": withDevice(async (device) => {
    await applyAll(device, peers(21));
    await assertSameAsWg(device, 21);
  }),

  "1,000 peers, and peers flushed before the interface is deleted": async () => {
    const device = WireGuardDevice.open("kernel", "wgmany", 0);
    device.configure({ identity, listenPort: 51830 });
    device.up();
    let began = performance.now();
    await applyAll(device, peers(1000));
    note(`1,000 peers set in ${Math.round(performance.now() - began)} ms`);
    began = performance.now();
    await read(device);
    note(`1,000 peers read in ${Math.round(performance.now() - began)} ms`);
    await assertSameAsWg(device, 1000);
    began = performance.now();
    device.close(true);
    note(`1,000 peers flushed and the interface deleted in ${Math.round(performance.now() - began)} ms`);
    assert.equal(linkGet("wgmany"), null);
  },

  "one peer with 2,000 IPv4 and one with 2,000 IPv6 allowed IPs": withDevice(async (device) => {
    const v4 = Array.from({ length: 2000 }, (_, number) => ipv4(number + 5000));
    const v6 = Array.from({ length: 2000 }, (_, number) => `fd01::${(number + 1).toString(16)}/128`);
    await applyAll(device, [peer(1, { allowedIps: v4 }), peer(2, { allowedIps: v6 }), peer(3)]);
    await assertSameAsWg(device, 3);
    assert.deepEqual(await allowedIps(device, 1), [...v4].sort());
    assert.deepEqual(await allowedIps(device, 2), [...v6].sort());
    await applyAll(device, [{ publicKey: key(1), updateOnly: true, allowedIps: v4.slice(1500) }]);
    assert.deepEqual(await allowedIps(device, 1), v4.slice(1500).sort());
    await assertSameAsWg(device, 3);
  }),

  "an update changes only what it names": withDevice(async (device) => {
    await applyAll(device, peers(2));
    await applyAll(device, [{ publicKey: key(1), updateOnly: true, endpoint: "198.51.100.9:4242" }]);
    const dumped = wgDump(device.name).get(key(1));
    assert.equal(dumped?.endpoint, "198.51.100.9:4242");
    assert.equal(dumped?.keepalive, "25");
    assert.notEqual(dumped?.presharedKey, "(none)");
    assert.deepEqual(dumped?.allowedIps, [...(peer(1).allowedIps ?? [])].sort());
    await applyAll(device, [{ publicKey: key(1), updateOnly: true, keepaliveSeconds: 0 }]);
    assert.equal(wgDump(device.name).get(key(1))?.keepalive, "off");
  }),

  "an update never creates a peer": withDevice(async (device) => {
    await applyAll(device, [{ publicKey: key(9), updateOnly: true, allowedIps: ["10.0.0.9/32"] }]);
    await assertSameAsWg(device, 0);
  }),

  "a removed peer is gone, and removing it again is no error": withDevice(async (device) => {
    await applyAll(device, peers(3));
    await applyAll(device, [{ publicKey: key(2), remove: true }]);
    await applyAll(device, [{ publicKey: key(2), remove: true }]);
    assert.deepEqual([...wgDump(device.name).keys()].sort(), [key(1), key(3)].sort());
  }),

  "an allowed IP moves from one peer to another, in either order": withDevice(async (device) => {
    await applyAll(device, [
      peer(1, { allowedIps: ["10.5.0.0/16", "10.6.0.0/16"] }),
      peer(2, { allowedIps: [] }),
    ]);
    await applyAll(device, [
      { publicKey: key(2), updateOnly: true, allowedIps: ["10.5.0.0/16"] },
      { publicKey: key(1), updateOnly: true, allowedIps: ["10.6.0.0/16"] },
    ]);
    assert.deepEqual(await allowedIps(device, 1), ["10.6.0.0/16"]);
    assert.deepEqual(await allowedIps(device, 2), ["10.5.0.0/16"]);
    await applyAll(device, [
      { publicKey: key(2), updateOnly: true, allowedIps: [] },
      { publicKey: key(1), updateOnly: true, addAllowedIps: ["10.5.0.0/16"] },
    ]);
    assert.deepEqual(await allowedIps(device, 1), ["10.5.0.0/16", "10.6.0.0/16"]);
    assert.deepEqual(await allowedIps(device, 2), []);
    await assertSameAsWg(device, 2);
  }),

  "a shrinking list leaves no helper peer behind": withDevice(async (device) => {
    device.configure({ identity, listenPort: 0 });
    device.up();
    await applyAll(device, [peer(1, { allowedIps: ["10.1.0.1/32", "10.2.0.0/16", "fd09::/64"] })]);
    await applyAll(device, [{ publicKey: key(1), updateOnly: true, allowedIps: ["10.1.0.1/32"] }]);
    assert.deepEqual(await allowedIps(device, 1), ["10.1.0.1/32"]);
    await assertSameAsWg(device, 1);
  }),

  "networks of a peer come and go without losing a packet": withDevice(async (device) => {
    device.configure({ identity, listenPort: 51890 });
    device.up();
    addressAdd(device.name, "10.77.0.1/24");
    const far = farNode(51891, 51890);
    try {
      const mesh = "10.77.0.2/32";
      await applyAll(device, [{ publicKey: far, endpoint: "192.0.2.2:51891", allowedIps: [mesh] }]);
      run("ping", "-q", "-c", "1", "-w", "30", "10.77.0.2");
      let wide = false;
      const { rounds, lost } = await pinging("10.77.0.2", async () => {
        wide = !wide;
        const allowedIps = wide ? [mesh, "10.88.0.0/16", "10.89.0.0/16"] : [mesh, "10.89.0.0/16"];
        await applyAll(device, [{ publicKey: far, updateOnly: true, allowedIps }]);
      });
      const replaced = await pinging("10.77.0.2", async () => {
        run("wg", "set", device.name, "peer", far, "allowed-ips", mesh);
      });
      note(
        `3,000 pings during ${rounds} changes; ${replaced.lost} lost during ${replaced.rounds} plain replacements`,
      );
      assert.ok(rounds > 10, `${rounds} changes`);
      assert.equal(lost, 0);
    } finally {
      run("ip", "netns", "del", "far");
    }
  }),

  "a reset peer keeps its settings and loses its counters": withDevice(async (device) => {
    device.configure({ identity, listenPort: 0 });
    device.up();
    addressAdd(device.name, "10.9.0.1/16");
    addressAdd(device.name, "fd99::1/64");
    const here = peer(1, { endpoint: "127.0.0.1:9", allowedIps: ["10.9.0.2/32"] });
    await applyAll(device, [here]);
    const sent = async () => (await read(device)).peers[0]?.txBytes ?? 0;
    const deadline = performance.now() + 60_000;
    while ((await sent()) < 148 * 2 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const before = await sent();
    assert.ok(before >= 148 * 2, `two initiations were sent (${before} bytes)`);
    await applyAll(device, [{ ...here, reset: true }]);
    assert.ok((await sent()) < before);
    await assertSameAsWg(device, 1);
  }),

  "a bad entry is told and stops nothing else": withDevice(async (device) => {
    const failed = await apply(device, [
      peer(1),
      peer(2, { endpoint: "example.com:51820" }),
      peer(3, { allowedIps: ["10.0.0.0/40"] }),
      { publicKey: "not a key" },
      peer(4),
    ]);
    assert.deepEqual(
      failed.map((failure) => failure.publicKey),
      [key(2), key(3), "not a key"],
    );
    for (const { error } of failed) assert.match(error, /^EINVAL: cannot /);
    assert.deepEqual([...wgDump(device.name).keys()].sort(), [key(1), key(4)].sort());
  }),
};
