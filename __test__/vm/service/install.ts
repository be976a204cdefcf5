/** wgmesh is put where a package would put it, installed as a service, and looked at. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { type Cases, note } from "../cases.ts";
import { addMachine } from "../namespace.ts";
import {
  before,
  call,
  FAR_INTERNET,
  forwards,
  good,
  HOME,
  NEXT_SECRET,
  pings,
  run,
  SECRET,
  shown,
  startIn,
  startNode,
  status,
  traces,
  UNIT,
  until,
  wgmesh,
} from "./machine.ts";

const STUN = `
const socket = require("node:dgram").createSocket("udp4");
socket.on("message", (asked, { address, port }) => {
  const answer = Buffer.alloc(32);
  asked.copy(answer, 0, 0, 20);
  answer.writeUInt16BE(0x0101, 0);
  answer.writeUInt16BE(12, 2);
  answer.writeUInt32BE(0x00200008, 20);
  answer.writeUInt16BE(1, 24);
  answer.writeUInt16BE(port ^ 0x2112, 26);
  answer.writeUInt32BE((Buffer.from(address.split(".").map(Number)).readUInt32BE() ^ 0x2112a442) >>> 0, 28);
  socket.send(answer, port, address);
});
socket.bind(3478);
`;

export const installCases: Cases = {
  "what runs beside it is there": async () => {
    for (const words of [
      ["mkdir", "-p", `${HOME}/node_modules/@wgmesh`],
      ["cp", "-rL", "dist", "package.json", HOME],
      ["cp", "-rL", "node_modules/@wgmesh/native", `${HOME}/node_modules/@wgmesh/native`],
      ["ln", "-s", `${HOME}/dist/wgmesh.js`, "/usr/bin/wgmesh"],
      ["chown", "-R", "root:root", HOME],
      ["chmod", "-R", "go=u-w", HOME],
    ] as [string, ...string[]][]) {
      good(...words);
    }
    addMachine(good, "far", { near: "near", network: "10.9.0" });
    // A network behind the service's node, and a host in it.
    addMachine(good, "host", { near: "behind", network: "10.77.0" });
    good("ip", "-n", "host", "route", "add", "default", "via", "10.77.0.1");
    // A third machine; the service's host passes nothing on from one to the other.
    addMachine(good, "apart", { near: "beside", network: "10.9.1" });
    // The Internet behind the other machine, and a host of it that knows no way to the mesh behind this one.
    good("ip", "-n", "far", "address", "add", `${FAR_INTERNET}/32`, "dev", "lo");
    addMachine(good, "internet", { near: "wan", network: "10.88.0" });
    good("ip", "route", "add", "default", "via", "10.88.0.2");
    for (const file of [SECRET, NEXT_SECRET]) writeFileSync(file, wgmesh("init"), { mode: 0o600 });
    startIn("far", "node", "-e", STUN);
    startNode("far", SECRET);
    assert.equal(forwards("behind"), "0");
  },

  "one that cannot become a service is told why, and nothing is written": () => {
    before.traces = traces();
    const refused = (...words: string[]): string => {
      const { code, err } = run("wgmesh", "install-service", "--secret-file", SECRET, ...words);
      assert.notEqual(code, 0);
      return err;
    };
    assert.match(refused("--state-dir", "/srv/wgmesh"), /--state-dir is not for a service/);
    assert.match(refused("--log-level", "loud"), /--log-level/);
    assert.match(run("wgmesh", "install-service", "--secret-file", "/srv/none").err, /\/srv\/none/);
    assert.match(run("wgmesh", "uninstall-service").out, /there was no service/);
    assert.deepEqual(traces(), before.traces);
  },

  "it is installed, runs as a user of its own, and answers root": async () => {
    const words = ["--no-dht", "--stun-server", "10.9.0.2", "--advertise-routes", "10.77.0.0/24"];
    const sinceMs = Date.now();
    note(wgmesh("install-service", "--secret-file", SECRET, ...words).trim());
    note(`installed and running after ${Date.now() - sinceMs} ms`);
    assert.equal(good("systemctl", "is-active", UNIT).trim(), "active");
    assert.equal(good("systemctl", "is-enabled", UNIT).trim(), "enabled");
    const { pid, backend } = await status();
    assert.match(wgmesh("status"), new RegExp(`\\b${pid}\\b`));
    assert.equal(String(pid), shown("MainPID"));
    assert.equal(backend, "kernel");
    assert.equal(good("ps", "-o", "user=", "-p", String(pid)).trim(), "wgmesh");
    const facts = readFileSync(`/proc/${pid}/status`, "utf8");
    // CAP_NET_ADMIN and CAP_NET_RAW.
    assert.match(facts, /^CapEff:\t0000000000003000$/m);
    assert.match(facts, /^NoNewPrivs:\t1$/m);
    assert.match(facts, /^Seccomp:\t2$/m);
    assert.equal(statSync("/etc/wgmesh/wg0.secret").mode & 0o777, 0o600);
    assert.equal(readFileSync("/etc/wgmesh/service-user", "utf8"), "wgmesh\n");
    await until("a status line", () => /wg0 is up at/.test(shown("StatusText")));
    note(good("systemctl", "status", "--no-pager", "-n", "0", UNIT));
  },

  "its exposure is 2.0 or lower": () => {
    const report = good("systemd-analyze", "security", UNIT);
    const [, level] = /Overall exposure level for \S+: ([\d.]+)/.exec(report) ?? [];
    note(`systemd-analyze security: ${level}`);
    assert.ok(Number(level) <= 2, report);
  },

  "it finds its peer, and forwards to the network behind it": async () => {
    const { mesh_ip: own } = await status();
    await until("the tunnel", () => pings(own));
    await until("the network behind", () => pings("10.77.0.2"));
    assert.equal(forwards("behind"), "1");
  },

  "STUN is asked from WireGuard's own port": async () => {
    const { listen_port: port } = await status();
    const { sockets } = await call("net.check");
    assert.equal(sockets.find(({ socket }) => socket === "wireguard")?.mapped, `10.9.0.1:${port}`);
  },
};
