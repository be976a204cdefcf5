/** The relay's data plane between embedded devices (see relayed.ts). Runs in a network namespace. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type BirthdayDatagram, Bridge, linkSetUp, RelayServer } from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";
import { openDescriptors, ownThreads } from "./processes.ts";
import { eventually, transfer, watching, withRelayed } from "./relayed.ts";
import { relayedCases } from "./relayedCases.ts";

const secretText = "this must not be seen on the way. ";

export const cases: Cases = {
  ...relayedCases("embedded"),

  "nothing of what passes can be read at the relay": () =>
    withRelayed(async ({ a, b, relay }) => {
      await b.end.call("serve", { port: 7000 });
      const pass = () => transfer(a, b, 500_000, secretText);
      const atRelay = await watching(relay, secretText.repeat(2), pass);
      assert.equal(atRelay.plain, 0);
      assert.ok(atRelay.frames > 10, `${atRelay.frames} of ${atRelay.packets}`);
      // The watch can see it: at an end, on the inside of the tunnel.
      const atEnd = await watching(a.end, secretText.repeat(2), pass);
      assert.ok(atEnd.plain > 0);
    }),

  "what is not WireGuard's passes beside it, and delivery can be stopped": () =>
    withRelayed(async ({ a, b }) => {
      a.end.run(`ping -c 1 -W 5 ${b.inner}`);
      assert.equal(await a.end.call("sendBeside", { text: "are you there" }), true);
      await eventually("it is heard", async () => (await b.end.call("heard")).length > 0);
      assert.deepEqual(await b.end.call("heard"), ["are you there"]);
      await b.end.call("setDelivery", { on: false });
      assert.ok(a.end.fails(`ping -c 2 -i 0.1 -W 1 ${b.inner}`));
      assert.equal(await a.end.call("sendBeside", { text: "still there" }), true);
      await eventually("it is heard", async () => (await b.end.call("heard")).length > 1);
      await b.end.call("setDelivery", { on: true });
      a.end.run(`ping -c 1 -W 5 ${b.inner}`);
    }),

  "a session has its rate, and what it carries is whole all the same": () =>
    withRelayed(
      async ({ a, b, relay }) => {
        await b.end.call("serve", { port: 7000 });
        a.end.run(`ping -c 1 -W 5 ${b.inner}`);
        const before = performance.now();
        await transfer(a, b, 2_500_000);
        const seconds = (performance.now() - before) / 1000;
        // 1 MB/s and a quarter of a megabyte at once.
        assert.ok(seconds > 2, `${seconds} s`);
        const [session] = await relay.call("sessions");
        assert.ok(session.dropped > 0);
        assert.ok(session.bytes < 1_000_000 * (seconds + 30) + 262_144);
      },
      { limits: { bytesPerSecond: 1_000_000 } },
    ),

  "a session that was removed carries nothing": () =>
    withRelayed(async ({ a, b, relay, session }) => {
      a.end.run(`ping -c 1 -W 5 ${b.inner}`);
      assert.equal(await relay.call("removeSession", { session }), true);
      assert.ok(a.end.fails(`ping -c 2 -i 0.1 -W 1 ${b.inner}`));
      const { strangerPackets } = await relay.call("relayCounters");
      assert.ok(strangerPackets > 0);
    }),

  "one of many sockets meets the other side and becomes a bridge": async () => {
    linkSetUp("lo");
    const far = createSocket("udp4");
    far.bind(0, "127.0.0.1");
    await once(far, "listening");
    const remote = `127.0.0.1:${far.address().port}`;
    const met: BirthdayDatagram[] = [];
    const options = { remote, data: Buffer.from("knock"), sockets: 8, packetsPerSecond: 1000 };
    const birthday = Bridge.birthday(options, (datagram) => void met.push(datagram));
    const [knock, { port }] = await once(far, "message");
    assert.equal(knock.toString(), "knock");
    far.send("open", port, "127.0.0.1");
    await eventually("it is met", async () => met.length > 0);
    const [{ socket, data, host }] = met as [BirthdayDatagram];
    assert.deepEqual([data.toString(), host, met[0]?.port], ["open", "127.0.0.1", far.address().port]);
    const bridge = birthday.become(socket, { wireguardPort: 51820, remote });
    assert.throws(() => birthday.send(Buffer.from("more")), { code: "EBADF" });
    far.removeAllListeners("message");
    const arrived = new Promise((resolve) => {
      far.on("message", (message, from) => {
        if (message.toString() === "through the bridge") resolve(from.port);
      });
    });
    assert.equal(bridge.send(Buffer.from("through the bridge")), true);
    assert.equal(await arrived, port);
    bridge.close();
    birthday.close();
    far.close();
  },

  "options and tokens that are none are refused": () => {
    const token = Buffer.alloc(8, 1);
    const bridge = { wireguardPort: 51820, remote: "127.0.0.1:9", token };
    const refused: readonly [what: string, call: () => unknown][] = [
      ["an unknown option", () => RelayServer.open({ prot: 1 } as object)],
      ["a port beyond the last", () => RelayServer.open({ port: 65_536 })],
      ["no session at all", () => RelayServer.open({ maxSessions: 0 })],
      ["a token that is short", () => Bridge.open({ ...bridge, token: Buffer.alloc(7) })],
      ["a remote that is a name", () => Bridge.open({ ...bridge, remote: "relay.example:9" })],
      ["a remote without a port", () => Bridge.open({ ...bridge, remote: "127.0.0.1:0" })],
      ["a port that is none", () => Bridge.open({ ...bridge, wireguardPort: 70_000 })],
      ["257 sockets", () => Bridge.birthday({ remote: "127.0.0.1:9", data: token, sockets: 257 }, () => {})],
      ["no callback", () => Bridge.birthday({ remote: "127.0.0.1:9", data: token, sockets: 1 }, 7 as never)],
    ];
    for (const [what, call] of refused) assert.throws(call, { code: "EINVAL" }, what);
    const relay = RelayServer.open({ maxSessions: 1 });
    const other = Buffer.alloc(8, 2);
    assert.equal(relay.addSession(token, other), 1);
    assert.throws(() => relay.addSession(token, Buffer.alloc(8, 3)), { code: "EEXIST" });
    assert.throws(() => relay.addSession(Buffer.alloc(8, 4), Buffer.alloc(8, 3)), { code: "ENOSPC" });
    assert.deepEqual(
      relay.sessions().map(({ id, connected }) => [id, connected]),
      [[1, [false, false]]],
    );
    relay.setLimits({ bytesPerSecond: 1_000_000, sessionBytesPerSecond: 250_000 });
    assert.throws(() => relay.setLimits({ bytesPerSecond: 0 }), { code: "EINVAL" });
    relay.close();
    relay.close();
    assert.throws(() => relay.sessions(), { code: "EBADF" });
    assert.throws(() => relay.setLimits({}), { code: "EBADF" });
  },

  "closing leaves no thread and no descriptor": async () => {
    linkSetUp("lo");
    const round = (): void => {
      const relay = RelayServer.open();
      const remote = `127.0.0.1:${relay.port}`;
      const token = Buffer.alloc(8, 1);
      relay.addSession(token, Buffer.alloc(8, 2));
      const bridge = Bridge.open({ wireguardPort: 51820, remote, token });
      bridge.onDatagram(() => {});
      bridge.repoint(`[::1]:${relay.port}`, token);
      const left = Bridge.birthday({ remote, data: Buffer.from("knock"), sockets: 16 }, () => {});
      const used = Bridge.birthday({ remote, data: Buffer.from("knock"), sockets: 16 }, () => {});
      const met = used.become(15, { wireguardPort: 51820, remote });
      for (const open of [met, used, left, bridge, relay]) open.close();
    };
    round();
    const [threads, descriptors] = [ownThreads(), openDescriptors()];
    for (let count = 0; count < 20; count++) round();
    await eventually("no more threads", async () => ownThreads() <= threads);
    await eventually("no more descriptors", async () => openDescriptors() <= descriptors);
  },
};
