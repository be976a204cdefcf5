/** The interface itself: made, adopted, refused, closed; its port. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createRequire } from "node:module";
import { addressAdd, linkDelete, linkGet, WireGuardDevice } from "@wgmesh/native";
import type { Cases } from "../cases.ts";
import { run, wgDump } from "../scale/wg.ts";
import {
  applyAll,
  assertSameAsWg,
  identity,
  peers,
  read,
  rejectsCode,
  throwsCode,
  withDevice,
} from "./support.ts";

const require = createRequire(import.meta.url);

/** A program: gives up root, opens the device, prints the error. */
const openAsNobody = `
  const { WireGuardDevice } = require(process.argv[1]);
  process.setgid(65534);
  process.setuid(65534);
  try { WireGuardDevice.open("kernel", process.argv[2], 0); } catch (error) { console.log(error.message); }
`;

async function bound(port: number, type: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.bind(port);
  await once(socket, "listening");
  return socket;
}

export const interfaceCases: Cases = {
  "a new interface has the default MTU, is down and gets key and port": withDevice(async (device) => {
    assert.equal(device.kind, "kernel");
    assert.equal(device.adopted, false);
    const link = linkGet(device.name);
    assert.equal(link?.index, device.index);
    assert.equal(link?.kind, "wireguard");
    assert.equal(link?.mtu, 1420);
    assert.equal(link?.up, false);
    device.configure({ identity, listenPort: 51820 });
    device.up();
    assert.equal(device.listenPort(), 51820);
    assert.equal(linkGet(device.name)?.up, true);
    assert.equal(run("wg", "show", device.name, "listen-port").trim(), "51820");
    assert.equal(run("wg", "show", device.name, "public-key").trim(), identity.publicKey);
    assert.equal((await read(device)).publicKey, identity.publicKey);
  }),

  "a wished MTU is set, on an adopted interface too": () => {
    const device = WireGuardDevice.open("kernel", "wgmtu", 1380);
    assert.equal(linkGet("wgmtu")?.mtu, 1380);
    device.close(false);
    const again = WireGuardDevice.open("kernel", "wgmtu", 1300);
    assert.equal(again.adopted, true);
    assert.equal(linkGet("wgmtu")?.mtu, 1300);
    again.close(true);
  },

  "reset removes peers and addresses, and keeps the link up, its index and its port": withDevice(
    async (device) => {
      device.configure({ identity, listenPort: 51840 });
      device.up();
      addressAdd(device.name, "10.9.0.1/16");
      addressAdd(device.name, "fd99::1/64");
      await applyAll(device, peers(3));
      await device.reset();
      assert.equal(wgDump(device.name).size, 0);
      assert.equal(run("ip", "-o", "addr", "show", "dev", device.name).trim(), "");
      assert.equal(linkGet(device.name)?.index, device.index);
      assert.equal(linkGet(device.name)?.up, true);
      assert.equal(device.listenPort(), 51840);
    },
  ),

  "an existing interface is adopted: up, index, port and peers stay": async () => {
    const first = WireGuardDevice.open("kernel", "wgadopt", 0);
    first.configure({ identity, listenPort: 51850 });
    first.up();
    await applyAll(first, peers(2));
    first.close(false);
    const second = WireGuardDevice.open("kernel", "wgadopt", 0);
    assert.equal(second.adopted, true);
    assert.equal(second.index, first.index);
    assert.equal(second.listenPort(), 51850);
    assert.equal(linkGet("wgadopt")?.up, true);
    await assertSameAsWg(second, 2);
    // The port is the interface's own, so it is not in the way.
    second.configure({ identity, listenPort: 51850 });
    assert.equal(second.listenPort(), 51850);
    second.close(true);
    second.close(true);
    assert.equal(linkGet("wgadopt"), null);
  },

  "a link that is not WireGuard is refused and stays": () => {
    run("ip", "link", "add", "wgother", "type", "dummy");
    try {
      throwsCode(
        () => WireGuardDevice.open("kernel", "wgother", 0),
        "NOT_WIREGUARD",
        /cannot use wgother: .*dummy/,
      );
      assert.equal(linkGet("wgother")?.kind, "dummy");
    } finally {
      linkDelete("wgother");
    }
  },

  "a port in use is refused before anything changes, whichever family holds it": withDevice(
    async (device) => {
      device.configure({ identity, listenPort: 51860 });
      device.up();
      for (const type of ["udp4", "udp6"] as const) {
        const holder = await bound(51861, type);
        try {
          throwsCode(
            () => device.configure({ identity, listenPort: 51861 }),
            "EADDRINUSE",
            /cannot bind UDP port 51861/,
          );
        } finally {
          holder.close();
          await once(holder, "close");
        }
        assert.equal(device.listenPort(), 51860);
      }
      device.configure({ identity, listenPort: 51861 });
      assert.equal(device.listenPort(), 51861);
    },
  ),

  "a port lost before the link comes up is an error of up()": withDevice(async (device) => {
    device.configure({ identity, listenPort: 51870 });
    const holder = await bound(51870, "udp4");
    try {
      throwsCode(() => device.up(), "EADDRINUSE", /cannot set up wgt/);
      assert.equal(linkGet(device.name)?.up, false);
    } finally {
      holder.close();
      await once(holder, "close");
    }
    device.up();
  }),

  "an interface that somebody removed is an error, and is not made again": async () => {
    const device = WireGuardDevice.open("kernel", "wggone", 0);
    device.configure({ identity, listenPort: 51880 });
    await applyAll(device, peers(2));
    run("ip", "link", "del", "wggone");
    const gone = /cannot .* wggone: the interface is gone: somebody removed it/;
    await rejectsCode(device.read(), "ENODEV", gone);
    await rejectsCode(device.apply(peers(1)), "ENODEV", gone);
    throwsCode(() => device.listenPort(), "ENODEV", gone);
    assert.equal(linkGet("wggone"), null);
    run("ip", "link", "add", "wggone", "type", "wireguard");
    await rejectsCode(device.apply(peers(1)), "ENODEV", gone);
    device.close(true);
    assert.equal(linkGet("wggone")?.kind, "wireguard", "another link of the name is not ours to delete");
    assert.equal(wgDump("wggone").size, 0);
    linkDelete("wggone");
  },

  "closing while a call is under way waits for it; later calls say that it was closed": async () => {
    const device = WireGuardDevice.open("kernel", "wgclose", 0);
    const applied = device.apply(peers(300));
    device.close(true);
    const outcome = await applied.then(
      (failed) => failed,
      (error: { code?: string }) => error.code,
    );
    assert.ok(outcome === "EBADF" || (Array.isArray(outcome) && outcome.length === 0), `${outcome}`);
    assert.equal(linkGet("wgclose"), null);
    await rejectsCode(device.read(), "EBADF", /cannot read wgclose: the device was closed/);
  },

  "without CAP_NET_ADMIN it is refused, whether the interface exists or not": () => {
    run("ip", "link", "add", "wgforeign", "type", "wireguard");
    try {
      for (const name of ["wgnew", "wgforeign"]) {
        const said = run("node", "-e", openAsNobody, require.resolve("@wgmesh/native"), name);
        assert.match(said, new RegExp(`^EPERM: cannot (create|open|read) ${name}: needs CAP_NET_ADMIN`));
      }
    } finally {
      linkDelete("wgforeign");
    }
  },
};
