/**
 * Two embedded devices, each in a process and network namespace of its own, with a veth pair between them; judged by ping,
 * wg(8) and TCP. Runs in a network namespace (see inNamespace.ts).
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import type { Cases } from "../../vm/cases.ts";
import { apply, peer, ping, transfer, withPair } from "./embeddedPair.ts";
import { TunnelEnd, until } from "./tunnelEnd.ts";

function refusesToOpen(end: TunnelEnd, name: string, code: string): Promise<void> {
  return assert.rejects(end.call("open", { name }), (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.ok(error.message.startsWith(`${code}: cannot create ${name}: `), error.message);
    return true;
  });
}

export const cases: Cases = {
  "both ends ping each other, and wg shows it": () =>
    withPair(async (a, b) => {
      ping(a, b.inner);
      ping(b, a.inner);
      ping(a, "fd99::2");
      // Larger than the tunnel's MTU: the kernel fragments.
      ping(a, b.inner, "-s 4000");
      const show = a.end.run("wg show wg0");
      assert.match(show, new RegExp(`peer: ${b.publicKey.replaceAll("+", "\\+")}`));
      assert.match(show, /preshared key: \(hidden\)/);
      assert.match(show, /endpoint: 192\.0\.2\.2:51820/);
      assert.match(show, /latest handshake: (Now|\d seconds? ago)/);
      const state = await a.end.read();
      const [seen] = state.peers;
      assert.ok(seen && Math.abs(Date.now() - seen.lastHandshakeMs) < 60_000);
      const [, rx, tx] = a.end.run("wg show wg0 transfer").trim().split("\t").map(Number);
      assert.deepEqual([rx, tx], [seen.rxBytes, seen.txBytes]);
      assert.ok(seen.rxBytes > 3 * 4000 && seen.txBytes > 3 * 4000);
      for (const [this_, other] of [
        [a, b],
        [b, a],
      ] as const) {
        assert.deepEqual(this_.end.events[0], { type: "handshake", publicKey: other.publicKey });
      }
    }),

  "keepalive makes a session at once, without traffic": () =>
    withPair(
      async (a, b) => {
        await apply(b, [peer(a)]);
        const before = performance.now();
        await apply(a, [{ ...peer(b), keepaliveSeconds: 25 }]);
        await until("a handshake", () => a.end.events.length > 0 && b.end.events.length > 0);
        // Without the first attempt it would take five seconds.
        assert.ok(performance.now() - before < 4000);
      },
      { peers: false },
    ),

  "both ends begin at the same moment and converge at once": () =>
    withPair(
      async (a, b) => {
        const before = performance.now();
        await Promise.all([
          apply(a, [{ ...peer(b), keepaliveSeconds: 25 }]),
          apply(b, [{ ...peer(a), keepaliveSeconds: 25 }]),
        ]);
        ping(a, b.inner);
        ping(b, a.inner);
        assert.ok(performance.now() - before < 4000);
      },
      { peers: false },
    ),

  "wg set changes the device, and the owner hears of it": () =>
    withPair(async (a, b) => {
      ping(a, b.inner);
      const other = "dGhpcyBpcyBub3QgYSBrZXkgYnV0IDMyIGJ5dGVzISE=";
      a.end.run(
        `wg set wg0 peer ${other} endpoint 192.0.2.9:1 allowed-ips 10.99.0.9/32,fd99::9/128 persistent-keepalive 9`,
      );
      const added = (await a.end.read()).peers.find(({ publicKey }) => publicKey === other);
      assert.deepEqual(added?.allowedIps, ["10.99.0.9/32", "fd99::9/128"]);
      assert.equal(added?.keepaliveSeconds, 9);
      assert.match(a.end.run("wg showconf wg0"), /AllowedIPs = 10\.99\.0\.9\/32, fd99::9\/128/);
      a.end.run(`wg set wg0 peer ${other} remove`);
      assert.equal((await a.end.read()).peers.length, 1);
      a.end.run("wg set wg0 fwmark 0x2a");
      assert.equal((await a.end.read()).fwmark, 42);
      assert.match(a.end.run("wg show wg0 fwmark"), /0x2a/);
      ping(a, b.inner);
      const what = a.end.events.flatMap((event) => (event.type === "foreign-change" ? [event.what] : []));
      assert.deepEqual(what, ["peer dGhpcyBp… set", "peer dGhpcyBp… removed", "fwmark set to 0x2a"]);
      assert.ok(a.end.fails(`wg set wg0 listen-port 51820 peer ${a.publicKey}`), "its own key as a peer");
      assert.equal(a.end.run("stat -c %a /var/run/wireguard /var/run/wireguard/wg0.sock"), "700\n600\n");
    }),

  "peers are changed live: networks move, a reset makes a new session, removal ends it": () =>
    withPair(async (a, b) => {
      ping(a, b.inner);
      await apply(a, [{ publicKey: b.publicKey, addAllowedIps: ["10.99.7.0/24"] }]);
      b.end.run("ip address add 10.99.7.1/24 dev wg0");
      a.end.run("ip route add 10.99.7.0/24 dev wg0");
      ping(a, "10.99.7.1");
      await apply(a, [{ publicKey: b.publicKey, allowedIps: [`${b.inner}/32`] }]);
      assert.ok(a.end.fails("ping -c 1 -W 1 10.99.7.1"));
      ping(a, b.inner);
      const handshakes = b.end.events.length;
      await apply(a, [{ ...peer(b), reset: true, keepaliveSeconds: 25 }]);
      await until("a new session", () => b.end.events.length > handshakes);
      ping(a, b.inner);
      await apply(a, [{ publicKey: b.publicKey, remove: true }]);
      assert.ok(b.end.fails(`ping -c 1 -W 1 ${a.inner}`));
      assert.deepEqual((await a.end.read()).peers, []);
    }),

  "the port is changed while the tunnel is used": () =>
    withPair(async (a, b) => {
      ping(a, b.inner);
      assert.equal(await a.end.call("configure", { port: 40_000 }), 40_000);
      // b follows, since what it gets is authentic.
      ping(a, b.inner);
      assert.equal((await b.end.read()).peers[0]?.endpoint, "192.0.2.1:40000");
      ping(b, a.inner);
      // Any port will do, so the one there is.
      assert.equal(await a.end.call("configure", { port: 0 }), 40_000);
    }),

  "a busy port is told before anything changes": () =>
    withPair(async (a, b) => {
      const second = a.end.call("open", { name: "wg1" });
      await second;
      // The process now has two devices; calls go to the second.
      await assert.rejects(a.end.call("configure", { port: 51820 }), { code: "EADDRINUSE" });
      assert.equal((await a.end.read()).listenPort, 0);
      assert.equal((await a.end.read()).publicKey, null);
      ping(a, b.inner);
    }),

  "names that are taken are refused": async () => {
    const end = new TunnelEnd();
    try {
      await until("the end runs", () => end.call("threads"));
      end.run("ip link add veth0 type veth peer name veth1");
      await refusesToOpen(end, "veth0", "NOT_WIREGUARD");
      end.run("ip tuntap add mode tun name tun7");
      await refusesToOpen(end, "tun7", "EEXIST");
      const { adopted, index } = await end.call("open", { name: "wg0" });
      assert.equal(adopted, false);
      assert.ok(end.run("ip -o link show wg0").startsWith(`${index}: wg0: `));
      assert.match(end.run("ip -o link show wg0"), / mtu 1420 /);
      await refusesToOpen(end, "wg0", "EEXIST");
    } finally {
      await end.kill();
    }
  },

  "long streams arrive whole, over IPv4 and IPv6, with small and large MTU": () =>
    withPair(async (a, b) => {
      await transfer(a, b, b.inner, 40_000_000);
      const { sent, received } = await b.end.call("send", { host: b.inner, port: 7000, bytes: 1000 });
      assert.equal(received, sent);
      for (const mtu of [1280, 9000]) {
        for (const { end } of [a, b]) end.run(`ip link set wg0 mtu ${mtu}`);
        const back = await a.end.call("send", { host: "fd99::2", port: 7000, bytes: 10_000_000 });
        assert.equal(back.received, back.sent);
      }
    }),

  "closing while packets flow is quick, and closing again is nothing": () =>
    withPair(async (a, b) => {
      await b.end.call("serve", { port: 7000 });
      await a.end.call("flow", { host: b.inner, port: 7000 });
      await until("packets flow", async () => ((await a.end.read()).peers[0]?.txBytes ?? 0) > 1_000_000);
      const perDirection = Math.min(availableParallelism(), 4);
      const threads = Array.from({ length: perDirection }, () => ["wg-incoming", "wg-outgoing"]).flat();
      assert.deepEqual((await b.end.call("threads")).sort(), [...threads, "wg-timers", "wg-uapi"].sort());
      for (const { end } of [b, a]) {
        assert.ok((await end.call("close")) < 1000);
        assert.deepEqual(await end.call("threads"), []);
        assert.ok(end.fails("ip link show wg0"));
        assert.ok(end.fails("test -e /var/run/wireguard/wg0.sock"));
        await end.call("close");
      }
    }),

  "SIGKILL leaves no interface, and the dead socket is replaced": () =>
    withPair(async (a) => {
      // A process that stays in the namespaces of the killed one.
      const witness = new TunnelEnd(a.end, "shared");
      try {
        await witness.call("threads");
        await a.end.kill();
        await until("no interface", () => witness.fails("ip link show wg0"));
        assert.match(witness.run("ls /var/run/wireguard"), /wg0\.sock/);
        await witness.call("open", { name: "wg0" });
        assert.match(witness.run("wg show wg0"), /interface: wg0/);
        assert.deepEqual(witness.events, []);
      } finally {
        await witness.kill();
      }
    }),

  "a UAPI socket that another process holds is left to it, with a notice": () =>
    withPair(async (a) => {
      const other = new TunnelEnd(a.end);
      try {
        await other.call("open", { name: "wg0" });
        await until("a notice", () => other.events.length > 0);
        const [notice] = other.events;
        assert.ok(notice?.type === "notice", JSON.stringify(notice));
        assert.equal(
          notice.text,
          "wg0 has no UAPI socket, so wg(8) does not see it: another process holds /var/run/wireguard/wg0.sock",
        );
        assert.equal(await other.call("configure", { port: 1234 }), 1234);
        await other.call("close");
        assert.match(a.end.run("wg show wg0"), /listening port: 51820/);
      } finally {
        await other.kill();
      }
    }),

  "opening and closing leaves nothing behind": async () => {
    const end = new TunnelEnd();
    try {
      const cycle = async (): Promise<void> => {
        await end.call("open", { name: "wg0" });
        await end.call("configure", { port: 0 });
        await end.call("up");
        await end.call("close");
      };
      await cycle();
      const before = await end.call("descriptors");
      for (let i = 0; i < 20; i += 1) await cycle();
      assert.deepEqual(await end.call("threads"), []);
      assert.equal(await end.call("descriptors"), before);
    } finally {
      await end.kill();
    }
  },

  "the interface deleted by somebody is told": () =>
    withPair(async (a) => {
      a.end.run("ip link delete wg0");
      const failed = await until("an event", () => a.end.events.find(({ type }) => type === "failed"));
      assert.ok(failed?.type === "failed");
      assert.match(failed.reason, /^the interface wg0 cannot be read any more: /);
      assert.ok((await a.end.call("close")) < 1000);
    }),
};
