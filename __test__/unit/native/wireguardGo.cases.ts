/**
 * The device on a real wireguard-go. Runs in a network namespace with a /run of its own.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  addressAdd,
  addressList,
  type BackendKind,
  type DeviceEvent,
  endLeftoverChild,
  linkGet,
  linkSetUp,
  MeshSecret,
  NodeIdentity,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";
import { children, childThreads, processEntry, processes, startOf, threadStates } from "./processes.ts";

const addon = createRequire(import.meta.url).resolve("@wgmesh/native");
const presharedKey = PresharedKey.derive(MeshSecret.fromText("a secret for the tests of wireguard-go"));
const newIdentity = () => NodeIdentity.load("/nonesuch/state.json");
const keyOf = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const sockets = "/run/wireguard";

let devices = 0;
const newName = () => `wgg${++devices}`;
const open = (name = newName(), options = {}) => WireGuardDevice.open("wireguard-go", name, 0, options);

/** That nothing of the device is left. */
function assertGone(name: string): void {
  assert.equal(linkGet(name), null);
  assert.deepEqual(existsSync(sockets) ? readdirSync(sockets) : [], []);
  assert.deepEqual(children(), [], "no child, no zombie");
  assert.deepEqual(childThreads(), []);
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
    assertGone(device.name);
  };
}

/** The same with the device's events, for a case that ends it in another way. */
function withEvents(
  body: (device: WireGuardDevice, events: DeviceEvent[]) => Promise<void>,
): () => Promise<void> {
  return withDevice(async (device) => {
    const events: DeviceEvent[] = [];
    device.onEvent((event) => events.push(event));
    await body(device, events);
  });
}

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-wggo-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function until(what: string, done: () => boolean, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!done()) {
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const coded = (code: string, text: RegExp) => (error: Error & { code?: string }) => {
  assert.match(error.message, text);
  assert.equal(error.code, code);
  return true;
};

const childPid = (): number => children()[0]?.pid ?? assert.fail("no child");

export const cases: Cases = {
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

  "a child that is killed is told as a failure, and what it left is removed": withEvents(
    async (device, events) => {
      device.configure({ identity: newIdentity() });
      device.up();
      process.kill(childPid(), "SIGKILL");
      await until("the failure is told", () => events.length > 0);
      assert.deepEqual(
        events.map((event) => ({ ...event })),
        [{ type: "failed", reason: "wireguard-go is gone: it ended with signal 9" }],
      );
      assert.equal(linkGet(device.name), null, "the interface goes with it");
      await assert.rejects(device.read(), coded("ENODEV", /wireguard-go is gone: it ended with signal 9/));
      await assert.rejects(device.apply([{ publicKey: keyOf(1) }]), coded("ENODEV", /is gone/));
      assert.deepEqual(children(), [], "no zombie, although nobody closed the device yet");
      device.close(true);
      assertGone(device.name);
    },
  ),

  "a child that is stopped and does not answer is ended and told as a failure": withEvents(
    async (device, events) => {
      const pid = childPid();
      process.kill(pid, "SIGSTOP");
      // The signal is on its way to every thread.
      await until("it is stopped", () => threadStates(pid).every((state) => state === "T"));
      await assert.rejects(device.read(), coded("ETIMEDOUT", /did not answer within 10 s/));
      await until("the failure is told", () => events.some(({ type }) => type === "failed"));
      assert.ok(events.some((event) => event.type === "notice" && /so it is ended/.test(event.text)));
    },
  ),

  "somebody who removes the socket ends it, which is told": withEvents(async (device, events) => {
    rmSync(`${sockets}/${device.name}.sock`);
    await until("the failure is told", () => events.some(({ type }) => type === "failed"));
  }),

  "an interface that another process deletes is told as a failure": withEvents(async (device, events) => {
    execFileSync("ip", ["link", "delete", device.name]);
    await until("the failure is told", () => events.some(({ type }) => type === "failed"));
  }),

  "programs that are missing, wrong, or end at once are errors with a remedy, and change nothing": () =>
    withFolder((folder) => {
      const script = (name: string, body: string) => {
        const file = path.join(folder, name);
        writeFileSync(file, `#!/bin/sh\n${body}\n`);
        chmodSync(file, 0o755);
        return file;
      };
      const refused = (program: string, text: RegExp) => {
        const name = newName();
        assert.throws(() => open(name, { program }), coded("NO_WIREGUARD_GO", text));
        assert.throws(() => open(name, { program }), coded("NO_WIREGUARD_GO", /apt install wireguard-go/));
        assertGone(name);
      };
      refused("/nonesuch/wireguard-go", /cannot use \/nonesuch\/wireguard-go: No such file/);
      refused("wireguard-go", /absolute path/);
      refused(script("other", "echo amneziawg-go v0.2.13"), /it is not wireguard-go/);
      refused(script("old", "echo wireguard-go v0.0.20200320"), /version 0\.0\.20200320 is older/);
      refused(
        script("fails", "echo no such library >&2; exit 127"),
        /status 127, last it said: no such library/,
      );
      const plain = script("plain", "");
      chmodSync(plain, 0o644);
      refused(plain, /it is not executable/);

      const version = '[ "$1" = --version ] && { echo wireguard-go v0.0.20250522; exit; }';
      const dies = script("dies", `${version}; echo 'ERROR: (x) 2026/01/02 03:04:05 no luck'; exit 4`);
      assert.throws(
        () => open("wgdies", { program: dies }),
        coded("CHILD_FAILED", /cannot start wireguard-go: it ended with status 4, last it said: no luck/),
      );
      const wraps = script("wraps", `${version}; wireguard-go "$@" & wait`);
      assert.throws(() => open("wgwraps", { program: wraps }), coded("EBUSY", /wrapper without exec/));
      assertGone("wgwraps");
    }),

  "what is found in $PATH is taken only when root alone can have put it there": () =>
    withFolder((folder) => {
      const before = process.env.PATH;
      const program = path.join(folder, "wireguard-go");
      writeFileSync(program, "#!/bin/sh\necho wireguard-go v9.9.9\n");
      chmodSync(program, 0o777);
      process.env.PATH = `${folder}:${before}`;
      try {
        assert.throws(
          () => open(),
          coded("NO_WIREGUARD_GO", /others than its owner can write to it.*--wireguard-go/),
        );
      } finally {
        process.env.PATH = before;
      }
    }),

  "names and sockets of others are refused and stay": async () => {
    execFileSync("ip", ["link", "add", "taken", "type", "veth", "peer", "name", "taken2"]);
    execFileSync("ip", ["tuntap", "add", "tunnel", "mode", "tun"]);
    assert.throws(() => open("taken"), coded("NOT_WIREGUARD", /a link of that name exists \(veth\)/));
    assert.throws(() => open("tunnel"), coded("EEXIST", /exists \(tun\)/));
    const server = createServer().listen(`${sockets}/wgserved.sock`);
    await once(server, "listening");
    assert.throws(() => open("wgserved"), coded("EBUSY", /wgserved\.sock: another process serves it/));
    await new Promise((resolve) => server.close(resolve));
    assertGone("wgserved");
  },

  "the socket of a killed one is in nobody's way": async () => {
    const name = newName();
    const program = `require(${JSON.stringify(addon)}).WireGuardDevice.open("wireguard-go", "${name}", 0);
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
    await once(child, "exit");
    await until("its wireguard-go is gone", () => linkGet(name) === null);
    assert.ok(existsSync(`${sockets}/${name}.sock`), "SIGKILL leaves it");
    open(name).close(true);
    assertGone(name);
  },

  "a child goes with its process, however that ends, and its record ends nobody else": () =>
    withFolder(async (folder) => {
      for (const end of ['process.kill(process.pid, "SIGKILL")', "process.exit(0)", "throw 1"]) {
        const record = path.join(folder, "child.json");
        const program = `const { WireGuardDevice } = require(${JSON.stringify(addon)});
          WireGuardDevice.open("wireguard-go", "wgbrief", 0, { childRecord: ${JSON.stringify(record)} }).onEvent(() => {});
          ${end};`;
        const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
        await once(child, "exit");
        const { pid } = JSON.parse(readFileSync(record, "utf8"));
        // Where nobody reaps orphans it stays a zombie, whose other threads may hold the interface for a moment.
        await until(`the child is gone after ${end}`, () =>
          [null, "Z"].includes(processEntry(pid)?.state ?? null),
        );
        await until("its interface is, too", () => linkGet("wgbrief") === null);
        // The number when the last of it was still on its way out.
        assert.ok([null, pid].includes(endLeftoverChild(record)));
        assert.equal(existsSync(record), false);
        assert.equal(endLeftoverChild(record), null);
      }
      assertGone("wgbrief");
    }),

  "a child that outlived its process is ended by its record": () =>
    withFolder(async (folder) => {
      const name = newName();
      // By a shell that ends: nobody here is its parent, as nobody is of a leftover.
      const started = execFileSync("sh", [
        "-c",
        `wireguard-go --foreground ${name} >/dev/null 2>&1 & echo $!`,
      ]);
      const pid = Number(started);
      await until("it serves", () => existsSync(`${sockets}/${name}.sock`));
      const record = path.join(folder, "child.json");
      const socket = `/var${sockets}/${name}.sock`;
      const text = JSON.stringify({ pid, start: startOf(pid), program: "/usr/bin/wireguard-go", socket });
      writeFileSync(record, text, { mode: 0o600 });
      assert.equal(endLeftoverChild(record), pid);
      await until("it is gone", () => linkGet(name) === null);
      assert.ok(!processes().some((entry) => entry.pid === pid && entry.state !== "Z"));
      assert.equal(existsSync(record), false);
      assertGone(name);
    }),
};
