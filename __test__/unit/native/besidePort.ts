/**
 * WireGuard's port used beside WireGuard, the same for every backend: a device on the loopback of this network namespace, an
 * ordinary socket as the stranger, and a tunnel to another device, which must not suffer.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createRequire } from "node:module";
import {
  addressAdd,
  type BackendKind,
  type BesideDatagram,
  linkSetUp,
  PrivateKey,
  WireGuardDevice,
} from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";
import { openDescriptors, ownThreads } from "./processes.ts";

/** Ten times what a datagram on the loopback takes at most. */
const PATIENCE_MS = 10_000;
const PORT = 51_820;
const hosts = { udp4: "127.0.0.1", udp6: "::1" } as const;
type Family = keyof typeof hosts;

/** A device with what came to its port. */
interface Heard {
  readonly device: WireGuardDevice;
  readonly privateKey: PrivateKey;
  readonly heard: BesideDatagram[];
}

async function withDevice(kind: BackendKind, body: (end: Heard) => Promise<void>): Promise<void> {
  linkSetUp("lo");
  const privateKey = PrivateKey.generate();
  const device = WireGuardDevice.open(kind, "wgport0", 1420);
  try {
    const heard: BesideDatagram[] = [];
    device.onDatagram((datagram) => void heard.push(datagram));
    device.configure({ privateKey, listenPort: PORT });
    device.up();
    await body({ device, privateKey, heard });
  } finally {
    device.close(true);
  }
}

async function withStranger(
  family: Family,
  body: (socket: Socket, port: number) => Promise<void>,
): Promise<void> {
  const socket = createSocket(family);
  socket.bind(0, hosts[family]);
  await once(socket, "listening");
  try {
    await body(socket, socket.address().port);
  } finally {
    socket.close();
  }
}

async function until(what: string, happened: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!happened()) {
    assert.ok(performance.now() < end, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Prints whether the port can be opened without CAP_NET_RAW, and what was said. */
const withoutRaw = `
  const { WireGuardDevice } = require(process.argv[1]);
  const device = WireGuardDevice.open(process.argv[2], "wgport0");
  try {
    device.onDatagram(() => {});
    console.log("opened");
  } catch (error) {
    console.log(error.message);
  } finally {
    device.close(true);
  }`;
const addon = createRequire(import.meta.url).resolve("@wgmesh/native");

const texts = (heard: readonly BesideDatagram[]) => heard.map(({ data }) => data.toString());
const wireguards = [1, 2, 3, 4].map((type) => Buffer.from([type, 0, 0, 0, 0x57, 0x47]));

/** Sends in both directions over one family. */
async function bothWays(family: Family, { device, heard }: Heard, port: number): Promise<void> {
  const host = hosts[family];
  await withStranger(family, async (stranger, strangerPort) => {
    heard.length = 0;
    for (const message of wireguards) stranger.send(message, port, host);
    stranger.send("abc", port, host);
    stranger.send("to you", port, host);
    await until(`a datagram over ${family}`, () => heard.length > 0);
    assert.deepEqual(heard, [{ data: Buffer.from("to you"), host, port: strangerPort }]);

    const arrived = once(stranger, "message");
    for (const refused of [...wireguards, Buffer.from("abc"), Buffer.alloc(1473, 9)]) {
      assert.equal(device.sendDatagram(host, strangerPort, refused), false);
    }
    assert.equal(device.sendDatagram(host, strangerPort, Buffer.from("to me")), true);
    const [data, from] = await arrived;
    assert.deepEqual([data.toString(), from.address, from.port], ["to me", host, port]);
  });
}

/** Another device as the other end of the tunnel, on PORT + 1. */
async function withTunnel(kind: BackendKind, body: (end: Heard) => Promise<void>): Promise<void> {
  await withDevice(kind, async (end) => {
    // A second wireguard-go would bring nothing.
    const far = WireGuardDevice.open(kind === "wireguard-go" ? "embedded" : kind, "wgport1", 1420);
    try {
      const farKey = PrivateKey.generate();
      far.configure({ privateKey: farKey, listenPort: PORT + 1 });
      far.up();
      addressAdd("wgport0", "10.98.0.1/32");
      const near = { publicKey: end.privateKey.publicKey, endpoint: `127.0.0.1:${PORT}` };
      const changes = [{ publicKey: farKey.publicKey, endpoint: `127.0.0.1:${PORT + 1}` }];
      assert.deepEqual(await far.apply([{ ...near, allowedIps: ["10.98.0.1/32"] }]), []);
      const mine = changes.map((change) => ({
        ...change,
        allowedIps: ["10.98.0.2/32"],
        keepaliveSeconds: 25,
      }));
      assert.deepEqual(await end.device.apply(mine), []);
      await body(end);
      const [peer] = (await end.device.read()).peers;
      assert.ok(peer && peer.lastHandshakeMs > 0, "a session");
    } finally {
      far.close(true);
    }
  });
}

export function portCases(kind: BackendKind): Cases {
  return {
    "datagrams that are not WireGuard's pass both ways, over IPv4 and IPv6": () =>
      withDevice(kind, async (end) => {
        await bothWays("udp4", end, PORT);
        await bothWays("udp6", end, PORT);
        const { received, dropped, sent, sendErrors } = end.device.datagramCounters();
        assert.deepEqual(
          { received, dropped, sent, sendErrors },
          { received: 2, dropped: 0, sent: 2, sendErrors: 12 },
        );
        assert.throws(() => end.device.sendDatagram("a.example", 1, Buffer.from("name")), { code: "EINVAL" });
        assert.throws(() => end.device.sendDatagram("::1", 0, Buffer.from("port")), { code: "EINVAL" });
      }),

    "another listen port is followed": () =>
      withDevice(kind, async (end) => {
        await bothWays("udp4", end, PORT);
        end.device.configure({ privateKey: end.privateKey, listenPort: PORT + 7 });
        await bothWays("udp4", end, PORT + 7);
        await bothWays("udp6", end, PORT + 7);
        await withStranger("udp4", async (stranger) => {
          end.heard.length = 0;
          stranger.send("to nobody", PORT, hosts.udp4);
          stranger.send("to you", PORT + 7, hosts.udp4);
          await until("a datagram to the new port", () => end.heard.length > 0);
          assert.deepEqual(texts(end.heard), ["to you"]);
        });
      }),

    "a flood of strangers is cut before it is here, and the tunnel is unharmed": () =>
      withTunnel(kind, async (end) => {
        await until(
          "a handshake",
          () =>
            execFileSync("wg", ["show", "wgport0", "latest-handshakes"], { encoding: "utf8" })
              .split("\t")[1]
              ?.trim() !== "0",
        );
        await withStranger("udp4", async (stranger) => {
          const before = await end.device.read();
          const sends = Array.from({ length: 20_000 }, (_, n) => Buffer.from(`flood ${n}`));
          const started = performance.now();
          for (let at = 0; at < sends.length; at += 500) {
            await Promise.all(
              sends
                .slice(at, at + 500)
                .map((data) => new Promise((resolve) => stranger.send(data, PORT, hosts.udp4, resolve))),
            );
          }
          const seconds = (performance.now() - started) / 1000;
          await until("the end of the flood", () => end.device.datagramCounters().received > 0);
          const { received, dropped } = end.device.datagramCounters();
          assert.ok(received + dropped <= sends.length, `${received} + ${dropped}`);
          assert.ok(received <= 256 + 2000 * (seconds + 1), `${received} in ${seconds} s`);
          assert.ok(end.heard.length <= received);
          // What WireGuard sends still arrives, is opened and counted.
          execFileSync("ip", ["route", "replace", "10.98.0.2/32", "dev", "wgport0"]);
          const ping = createSocket("udp4");
          for (let n = 0; n < 50; n++) ping.send("through the tunnel", 9, "10.98.0.2");
          await until(
            "data messages",
            () =>
              Number(
                execFileSync("wg", ["show", "wgport1", "transfer"], { encoding: "utf8" }).split("\t")[1],
              ) >=
              50 * 32,
          );
          ping.close();
          const after = await end.device.read();
          assert.equal(after.peers[0]?.publicKey, before.peers[0]?.publicKey);
        });
      }),

    "without CAP_NET_RAW the embedded engine needs nothing, and the others say what they need": () => {
      const command = ["--bounding-set=-net_raw", process.execPath, "-e", withoutRaw, addon, kind];
      const said = execFileSync("setpriv", command, { encoding: "utf8" }).trim();
      const refused = "EPERM: cannot open the raw sockets for wgport0: needs CAP_NET_RAW";
      assert.equal(said, kind === "embedded" ? "opened" : refused);
    },

    "closing leaves no thread and no descriptor, and what is sent after it is lost": async () => {
      await withDevice(kind, async () => {});
      const [threads, descriptors] = [ownThreads(), openDescriptors()];
      for (let round = 0; round < 5; round++) {
        const closed = WireGuardDevice.open(kind, "wgport0", 1420);
        closed.onDatagram(() => {});
        closed.onDatagram(() => {});
        closed.close(true);
        assert.equal(closed.sendDatagram("127.0.0.1", 9, Buffer.from("too late")), false);
        assert.throws(() => closed.onDatagram(() => {}), { code: "EBADF" });
      }
      await until("no more threads", () => ownThreads() <= threads);
      await until("no more descriptors", () => openDescriptors() <= descriptors);
    },
  };
}
