/**
 * Run inside the VM, in this order: wgmesh is put where a package would put it, installed as a service, tried, and taken away. `far` is
 * another machine: a network namespace with a node and a STUN server.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { trustedUids } from "../../src/cli/serviceUser.ts";
import { callOnce } from "../../src/rpc/client.ts";
import type { MethodName, MethodResults } from "../../src/rpc/methods/table.ts";
import { type Cases, note } from "./cases.ts";

const HOME = "/usr/lib/wgmesh";
const UNIT = "wgmesh@wg0.service";
const SOON = `/run/systemd/system/${UNIT}.d`;
const CONFIG = "/etc/wgmesh/wg0.toml";
/** An emulated processor that others use too. */
const PATIENCE_MS = 120_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...[program, ...args]: [string, ...string[]]): Ran {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  return { code: status, out: stdout, err: stderr };
}

function good(...words: [string, ...string[]]): string {
  const { code, out, err } = run(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${out}${err}`);
  return out;
}

const wgmesh = (...args: string[]): string => good("wgmesh", ...args);
const inFar = (...args: string[]): Ran => run("ip", "netns", "exec", "far", ...args);
const shown = (property: string): string => good("systemctl", "show", "--value", "-p", property, UNIT).trim();

/** As root, who believes a socket of the service's user; without the start of a program, which takes seconds here. */
const call = <M extends MethodName>(method: M): Promise<MethodResults[M]> =>
  callOnce({ socketPath: "/run/wgmesh/wg0.sock", trustedUids: trustedUids(), timeoutMs: 60_000 }, method);
const status = () => call("daemon.status");
/** The process that answers; null while none does. */
const answering = (): Promise<number | null> =>
  status().then(
    ({ pid }) => pid,
    () => null,
  );

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`${what}: not within ${PATIENCE_MS / 1000} s\n${lastLines()}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const forwards = (link: string): string =>
  readFileSync(`/proc/sys/net/ipv4/conf/${link}/forwarding`, "utf8").trim();
const lastLines = (): string => run("journalctl", "-u", UNIT, "-n", "30", "-o", "cat").out;
const pings = (address: string): boolean => inFar("ping", "-c1", "-W1", address).code === 0;

/** Whatever an installation could leave behind. */
function traces(): string[] {
  const folders = [
    "/etc",
    "/usr/lib/systemd",
    "/var/lib",
    "/var/log",
    "/run/systemd/system",
    "/run/wgmesh",
    "/run/wireguard",
  ];
  const found = run(
    "find",
    ...folders,
    "-not",
    "-path",
    "/var/lib/systemd/*",
    "-not",
    "-path",
    "/var/log/journal/*",
  );
  // userdel keeps the files as they were before beside them, and has a lock; useradd of any package makes the same ones.
  const passing = /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|\.lock$|^\/etc\/\.pwd/;
  return found.out.split("\n").filter((path) => path !== "" && !passing.test(path));
}

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

const started: ChildProcess[] = [];
let before: string[] = [];

function startFar(...words: string[]): void {
  started.push(spawn("ip", ["netns", "exec", "far", ...words], { stdio: "ignore" }));
}

/** Calls with another text of the configuration, and puts the old one back. */
async function withConfig(change: (text: string) => string, use: () => Promise<void>): Promise<void> {
  const text = readFileSync(CONFIG, "utf8");
  writeFileSync(CONFIG, change(text));
  try {
    await use();
  } finally {
    writeFileSync(CONFIG, text);
  }
}

export const cases: Cases = {
  "what runs beside it is there": async () => {
    for (const words of [
      ["mkdir", "-p", `${HOME}/node_modules/@wgmesh`],
      ["cp", "-rL", "dist", "package.json", HOME],
      ["cp", "-rL", "node_modules/@wgmesh/native", `${HOME}/node_modules/@wgmesh/native`],
      ["ln", "-s", `${HOME}/dist/wgmesh.js`, "/usr/bin/wgmesh"],
      ["chown", "-R", "root:root", HOME],
      ["chmod", "-R", "go=u-w", HOME],
      ["ip", "netns", "add", "far"],
      ["ip", "link", "add", "near", "type", "veth", "peer", "name", "eth0", "netns", "far"],
      ["ip", "address", "add", "10.9.0.1/24", "dev", "near"],
      ["ip", "link", "set", "near", "up"],
      ["ip", "-n", "far", "address", "add", "10.9.0.2/24", "dev", "eth0"],
      ["ip", "-n", "far", "link", "set", "eth0", "up"],
      ["ip", "-n", "far", "link", "set", "lo", "up"],
      // A network behind the service's node, and a host in it.
      ["ip", "netns", "add", "host"],
      ["ip", "link", "add", "behind", "type", "veth", "peer", "name", "eth0", "netns", "host"],
      ["ip", "address", "add", "10.77.0.1/24", "dev", "behind"],
      ["ip", "link", "set", "behind", "up"],
      ["ip", "-n", "host", "address", "add", "10.77.0.2/24", "dev", "eth0"],
      ["ip", "-n", "host", "link", "set", "eth0", "up"],
      ["ip", "-n", "host", "route", "add", "default", "via", "10.77.0.1"],
    ] as [string, ...string[]][]) {
      good(...words);
    }
    writeFileSync("/srv/secret", wgmesh("init"), { mode: 0o600 });
    startFar("node", "-e", STUN);
    const places = ["--run-dir", "/run/far", "--state-dir", "/srv/far", "--socket-path", "/srv/far.sock"];
    startFar(
      "node",
      `${HOME}/dist/wgmeshd.js`,
      "--secret-file",
      "/srv/secret",
      "--no-dht",
      "--no-stun",
      ...places,
    );
    assert.equal(forwards("behind"), "0");
  },

  "one that cannot become a service is told why, and nothing is written": () => {
    before = traces();
    const refused = (...words: string[]): string => {
      const { code, err } = run("wgmesh", "install-service", "--secret-file", "/srv/secret", ...words);
      assert.notEqual(code, 0);
      return err;
    };
    assert.match(refused("--state-dir", "/srv/wgmesh"), /--state-dir is not for a service/);
    assert.match(refused("--log-level", "loud"), /--log-level/);
    assert.match(run("wgmesh", "install-service", "--secret-file", "/srv/none").err, /\/srv\/none/);
    assert.match(run("wgmesh", "uninstall-service").out, /there was no service/);
    assert.deepEqual(traces(), before);
  },

  "it is installed, runs as a user of its own, and answers root": async () => {
    // The watchdog of the unit has more patience than a test.
    good("mkdir", "-p", SOON);
    writeFileSync(`${SOON}/soon.conf`, "[Service]\nWatchdogSec=15\n");
    const words = ["--no-dht", "--stun-server", "10.9.0.2", "--advertise-routes", "10.77.0.0/24"];
    const sinceMs = Date.now();
    note(wgmesh("install-service", "--secret-file", "/srv/secret", ...words).trim());
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

  "killed, it is started again": async () => {
    const { pid, mesh_ip: own } = await status();
    process.kill(pid, "SIGKILL");
    await until("another process", async () => ![pid, null].includes(await answering()));
    assert.equal(shown("NRestarts"), "1");
    await until("the tunnel", () => pings(own));
  },

  "stopped without a word, it is ended by the watchdog and started again": async () => {
    const { pid } = await status();
    process.kill(pid, "SIGSTOP");
    // For the next process: one that hands over is silent for longer here.
    good("rm", "-r", SOON);
    good("systemctl", "daemon-reload");
    await until("another process", () => shown("NRestarts") === "2");
    assert.match(good("journalctl", "-u", UNIT), /Watchdog timeout/);
    await until("an answer", async () => (await answering()) !== null);
  },

  "reload waits for what came of it": async () => {
    const { pid } = await status();
    const keepalive = async (): Promise<unknown> =>
      (await call("config.get")).settings.find(({ key }) => key === "keepalive")?.value;
    await withConfig(
      (text) => `${text}\n[interface]\nkeepalive = 11\n`,
      async () => {
        good("systemctl", "reload", UNIT);
        assert.equal(await keepalive(), 11);
      },
    );
    await withConfig(
      (text) => `${text}\n[interface]\nkeepalive = "often"\n`,
      async () => {
        assert.notEqual(run("systemctl", "reload", UNIT).code, 0);
        assert.equal(await keepalive(), 11);
      },
    );
    assert.equal(shown("MainPID"), String(pid));
    assert.equal(good("systemctl", "is-active", UNIT).trim(), "active");
  },

  "a restart in place keeps process and service": async () => {
    const { pid, mesh_ip: own } = await status();
    const runId = shown("InvocationID");
    // Not by `wgmesh restart`: it has no patience with an emulated machine.
    await call("daemon.restart");
    await until("the successor is ready", () => {
      const lines = good("journalctl", "-u", UNIT, "-o", "cat", `_PID=${pid}`);
      return lines.split("wgmeshd is ready").length === 3 && shown("ActiveState") === "active";
    });
    assert.equal((await status()).pid, pid);
    assert.deepEqual([shown("MainPID"), shown("InvocationID")], [String(pid), runId]);
    await until("the tunnel", () => pings(own));
    // The successor gives its signs of life too.
    await until("a status line", () => /wg0 is up at/.test(shown("StatusText")));
    assert.equal(shown("NRestarts"), "2");
  },

  "the journal has priorities": () => {
    const entries = good("journalctl", "-u", UNIT, "-t", "wgmesh-wg0", "-o", "json")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): { PRIORITY: string; MESSAGE: string } => JSON.parse(line))
      .filter(({ MESSAGE }) => MESSAGE.startsWith("{"));
    const numbers: Readonly<Record<string, string>> = { debug: "7", info: "6", warn: "4", error: "3" };
    const levels = new Set<string>();
    for (const { PRIORITY, MESSAGE } of entries) {
      const { level }: { level: string } = JSON.parse(MESSAGE);
      assert.equal(PRIORITY, numbers[level], MESSAGE);
      levels.add(level);
    }
    for (const { MESSAGE } of entries.filter(({ PRIORITY }) => PRIORITY < "6")) note(MESSAGE);
    assert.ok(levels.has("info") && levels.has("warn"), [...levels].join());
  },

  "wgmesh down ends it for good": async () => {
    run("wgmesh", "down");
    await until("the end", () => shown("ActiveState") === "inactive");
    assert.equal(shown("Result"), "success");
    assert.notEqual(run("ip", "link", "show", "wg0").code, 0);
    assert.equal(forwards("behind"), "0");
  },

  "the embedded engine has its TUN device": async () => {
    writeFileSync(CONFIG, `${readFileSync(CONFIG, "utf8")}\n[interface]\nbackend = "embedded"\n`);
    good("systemctl", "start", UNIT);
    const { backend, mesh_ip: own } = await status();
    assert.equal(backend, "embedded");
    await until("the tunnel", () => pings(own));
    await until("the network behind", () => pings("10.77.0.2"));
    assert.match(good("wg", "show", "wg0"), /listening port/);
  },

  "uninstalled, it leaves its key and configuration to root": () => {
    const key = readFileSync("/var/lib/wgmesh/wg0.json", "utf8");
    note(wgmesh("uninstall-service").trim());
    assert.notEqual(run("id", "wgmesh").code, 0);
    assert.notEqual(run("ip", "link", "show", "wg0").code, 0);
    assert.notEqual(run("systemctl", "cat", UNIT).code, 0);
    assert.equal(statSync("/var/lib/wgmesh/wg0.json").uid, 0);
    assert.equal(readFileSync("/var/lib/wgmesh/wg0.json", "utf8"), key);
    assert.deepEqual(readdirSync("/etc/wgmesh").sort(), ["wg0.secret", "wg0.toml"]);
  },

  "purged, it leaves nothing": () => {
    wgmesh("uninstall-service", "--purge");
    assert.deepEqual(traces(), before);
    assert.equal(run("pgrep", "-u", "wgmesh").out, "");
    assert.deepEqual(
      readdirSync("/etc").filter((name) => name.includes("wgmesh")),
      [],
    );
    for (const child of started) child.kill("SIGKILL");
  },
};
