/**
 * WireGuardDevice against the kernel's WireGuard, judged by `wg` and `ip`. Runs inside the VM (see runInVm.ts and cases.ts).
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  addressAdd,
  type DeviceState,
  linkDelete,
  linkGet,
  MeshSecret,
  NodeIdentity,
  type PeerChange,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";
import { type Cases, note } from "./cases.ts";

const require = createRequire(import.meta.url);
const secret = MeshSecret.fromText("a secret for the tests of the kernel's WireGuard");
const presharedKey = PresharedKey.derive(secret);
const identity = NodeIdentity.load("/run/not-there.json");

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" });
}

/** Public keys are any 32 bytes; these tell their number. */
function key(number: number): string {
  const bytes = Buffer.alloc(32, 7);
  bytes.writeUInt32BE(number, 0);
  return bytes.toString("base64");
}

function ipv4(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}/32`;
}

function peer(number: number, more: Partial<PeerChange> = {}): PeerChange {
  return {
    publicKey: key(number),
    presharedKey,
    endpoint: number % 2 === 0 ? `192.0.2.1:${1000 + number}` : `[2001:db8::${number.toString(16)}]:51820`,
    allowedIps: [ipv4(number), `fd00::${number.toString(16)}/128`],
    keepaliveSeconds: 25,
    ...more,
  };
}

function peers(count: number): PeerChange[] {
  return Array.from({ length: count }, (_, number) => peer(number + 1));
}

async function apply(
  device: WireGuardDevice,
  changes: PeerChange[],
): Promise<{ publicKey: string; error: string }[]> {
  return await device.apply(changes);
}

async function applyAll(device: WireGuardDevice, changes: PeerChange[]): Promise<void> {
  assert.deepEqual(await apply(device, changes), []);
}

async function read(device: WireGuardDevice): Promise<DeviceState> {
  return await device.read();
}

interface DumpedPeer {
  presharedKey: string;
  endpoint: string;
  allowedIps: string[];
  keepalive: string;
}

/** `wg show <name> dump` as a map from key to the rest; allowed IPs sorted. */
function wgDump(name: string): Map<string, DumpedPeer> {
  const [, ...lines] = run("wg", "show", name, "dump").trimEnd().split("\n");
  return new Map(
    lines.map((line) => {
      const [publicKey = "", presharedKey = "", endpoint = "", allowed = "", , , , keepalive = ""] =
        line.split("\t");
      const allowedIps = allowed === "(none)" ? [] : allowed.split(",").sort();
      return [publicKey, { presharedKey, endpoint, allowedIps, keepalive }];
    }),
  );
}

/** What we read is what `wg` reads. */
async function assertSameAsWg(device: WireGuardDevice, count: number): Promise<void> {
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

async function allowedIps(device: WireGuardDevice, number: number): Promise<string[]> {
  const found = (await read(device)).peers.find((candidate) => candidate.publicKey === key(number));
  assert.ok(found, `peer ${number} is there`);
  return [...found.allowedIps].sort();
}

/** A program: gives up root, opens the device, prints the error. */
const openAsNobody = `
  const { WireGuardDevice } = require(process.argv[1]);
  process.setgid(65534);
  process.setuid(65534);
  try { WireGuardDevice.open("kernel", process.argv[2], 0); } catch (error) { console.log(error.message); }
`;

/** A WireGuard interface `wgfar` (10.77.0.2) in a namespace `far`, 192.0.2.2 on the underlay; its public key. */
function farNode(port: number, nearPort: number): string {
  const inFar = (...args: string[]) => run("ip", "netns", "exec", "far", ...args);
  run("ip", "netns", "add", "far");
  run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", "far");
  run("ip", "addr", "add", "192.0.2.1/24", "dev", "near0");
  run("ip", "link", "set", "near0", "up");
  inFar("ip", "addr", "add", "192.0.2.2/24", "dev", "far0");
  inFar("ip", "link", "set", "far0", "up");
  inFar("ip", "link", "add", "wgfar", "type", "wireguard");
  writeFileSync("/run/far.key", run("wg", "genkey"), { mode: 0o600 });
  const nearPeer = [
    "peer",
    identity.publicKey,
    "endpoint",
    `192.0.2.1:${nearPort}`,
    "allowed-ips",
    "10.77.0.1/32",
  ];
  inFar("wg", "set", "wgfar", "listen-port", `${port}`, "private-key", "/run/far.key", ...nearPeer);
  inFar("ip", "addr", "add", "10.77.0.2/24", "dev", "wgfar");
  inFar("ip", "link", "set", "wgfar", "up");
  return inFar("wg", "show", "wgfar", "public-key").trim();
}

/** Pings without pause while `meanwhile` is called over and over; how often, and how many answers were missing. */
async function pinging(
  target: string,
  meanwhile: () => Promise<void>,
): Promise<{ rounds: number; lost: number }> {
  const ping = spawn("ping", ["-f", "-q", "-c", "3000", target], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  ping.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(ping, "close");
  let rounds = 0;
  while (ping.exitCode === null) {
    await meanwhile();
    rounds += 1;
    // Even work that never waits lets the end of ping be seen.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  const [, sent = "", answered = ""] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? [];
  assert.equal(sent, "3000", said);
  return { rounds, lost: Number(sent) - Number(answered) };
}

let interfaces = 0;

/** A device of its own for each case, removed also when the case fails. */
function withDevice(body: (device: WireGuardDevice) => Promise<void>): () => Promise<void> {
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

async function bound(port: number, type: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === "udp6" });
  socket.bind(port);
  await once(socket, "listening");
  return socket;
}

function throwsCode(call: () => unknown, code: string, text: RegExp): void {
  assert.throws(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}

async function rejectsCode(call: Promise<unknown>, code: string, text: RegExp): Promise<void> {
  await assert.rejects(call, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}

export const cases: Cases = {
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
    assert.ok(outcome === "[]" || outcome === "EBADF", `${outcome}`);
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
