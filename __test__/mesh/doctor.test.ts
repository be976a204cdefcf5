/**
 * `wgmesh doctor`, check by check: the fault is made for real, the check finds it, its remedy is followed, and it is clean again. Only
 * the module of the kernel cannot be taken away here; that is a test of the twin (unit/doctor).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { DoctorReport } from "../../src/daemon/doctor/doctor.ts";
import { doctorChecks } from "../../src/doctor/table.ts";
import { ended, must } from "./harness/exec.ts";
import { clientProgram, type MeshNode } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const flags = ["--no-dht", "--no-stun"];
/** Never runs but where a test says so. */
const still = lab.addNode("still", { flags });
const live = lab.addNode("live", { flags });
const stunHost = lab.addHost("stun");
const proved = new Set<string>();

interface Look {
  /** A shell script around the doctor, in a mount namespace of its own; `"$@"` is the doctor. */
  readonly within?: string;
  /** `WGMESH_*` variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly node?: MeshNode;
}

interface Seen {
  readonly code: number | null;
  readonly severity: string;
  readonly seen: string;
  readonly remedy: string | null;
}

async function look(
  id: string,
  { within = "", env = {}, args = [], node = still }: Look = {},
): Promise<Seen> {
  const place = ["--iface", node.iface, "--run-dir", node.runDir, "--state-dir", node.stateDir];
  const doctor = [process.execPath, clientProgram, "doctor", "--json", "--check", id, ...place, ...args];
  const script = within.includes('"$@"') ? within : `${within}${within === "" ? "" : " && "}exec "$@"`;
  const { code, stdout, stderr } = await node.exec(["sh", "-c", script, "sh", ...doctor], { env });
  if (stdout === "") throw new Error(`doctor --check ${id}: exit ${code}: ${stderr}`);
  const { checks } = JSON.parse(stdout) as DoctorReport;
  const [found] = checks;
  if (found === undefined || checks.length !== 1) throw new Error(`doctor --check ${id}: ${stdout}`);
  return { code, severity: found.severity, seen: found.seen, remedy: found.remedy };
}

const EXIT_CODES: Readonly<Record<string, number>> = { warning: 12, error: 13 };

/** What the doctor sees while something is wrong: how bad, and in which words. */
async function finds(id: string, severity: string, seen: RegExp, how: Look = {}): Promise<string> {
  const found = await look(id, how);
  expect(found).toMatchObject({
    severity,
    seen: expect.stringMatching(seen),
    code: EXIT_CODES[severity] ?? 0,
  });
  expect(found.remedy ?? "").toMatch(severity === "note" ? /.*/ : /\w+ \S+/);
  return found.remedy ?? "";
}

async function isClean(id: string, how: Look = {}): Promise<void> {
  expect(await look(id, how)).toMatchObject({ severity: "ok", remedy: null, code: 0 });
  proved.add(id);
}

const inStill = (...command: string[]): string =>
  must(["ip", "netns", "exec", still.host.namespace, ...command]);
const sh = (script: string): string => inStill("sh", "-c", script);

const children: ChildProcess[] = [];

/** A program that holds a UDP port of the still node; resolves when it does. */
async function holdPort(port: number): Promise<ChildProcess> {
  const script = `require("node:dgram").createSocket("udp4").bind(${port}, () => console.log("bound"))`;
  const child = spawn("ip", ["netns", "exec", still.host.namespace, process.execPath, "-e", script]);
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const gone = ended(child);
  child.kill("SIGKILL");
  await gone;
}

interface Parameters {
  readonly gossip_port: number;
  readonly mesh_subnet: string;
}

const secret = ["--secret-file", lab.secretFile];

async function parameters(): Promise<Parameters> {
  const { stdout } = await still.client("status", "--json", ...secret);
  return JSON.parse(stdout) as Parameters;
}

beforeAll(() => {
  sh("ip route add default via 192.0.2.254");
});

afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) await end(child);
});

describe("without a daemon", () => {
  test("rights", async () => {
    const without = (name: string): string => `exec setpriv --bounding-set=-${name} --inh-caps=-${name} "$@"`;
    expect(await finds("rights", "error", /lacks CAP_NET_ADMIN/, { within: without("net_admin") })).toContain(
      "root",
    );
    const env = { WGMESH_BACKEND: "kernel" };
    await finds("rights", "warning", /lacks CAP_NET_RAW/, { within: without("net_raw"), env });
    // The remedy names it.
    await isClean("rights", { within: without("net_raw"), env: { WGMESH_BACKEND: "embedded" } });
    await isClean("rights", { env });
  });

  test("tun and backend", async () => {
    const hidden = "mount -t tmpfs tmpfs /dev/net";
    const env = { WGMESH_BACKEND: "embedded" };
    await finds("tun", "error", /\/dev\/net\/tun cannot be opened \(ENOENT\)/, { within: hidden, env });
    await finds("backend", "error", /--backend embedded cannot work here/, { within: hidden, env });
    const given = `${hidden} && mknod /dev/net/tun c 10 200`;
    await isClean("tun", { within: given, env });
    await isClean("backend", { within: given, env });
  });

  test("interface", async () => {
    sh("ip link add wg0 type bridge");
    await finds("interface", "error", /wg0 is a link of kind bridge/);
    sh("ip link delete wg0");
    await isClean("interface");
  });

  test("listen-port, control-port and lan-port", async () => {
    const { gossip_port: controlPort } = await parameters();
    const ports: [id: string, port: number, severity: string][] = [
      ["listen-port", 51_820, "warning"],
      ["control-port", controlPort, "error"],
      ["lan-port", 51_830, "warning"],
    ];
    for (const [id, port, severity] of ports) {
      const holder = await holdPort(port);
      const seen = new RegExp(`UDP port ${port} is held by \\S+ \\(PID ${holder.pid}\\)`);
      const remedy = await finds(id, severity, seen, { args: secret });
      expect(remedy).toMatch(/^end /);
      await end(holder);
      await isClean(id, { args: secret });
    }
    // The other remedy.
    await holdPort(51_820);
    await isClean("listen-port", { env: { WGMESH_LISTEN_PORT: "51999" } });
  });

  test("configuration", async () => {
    const file = path.join(still.host.folder, "wg0.toml");
    const args = ["--config", file];
    writeFileSync(file, "[discovery]\ndht = 7\n", { mode: 0o600 });
    const remedy = await finds("configuration", "error", /wg0\.toml:2: dht: the integer 7/, { args });
    expect(remedy).toContain("true or false");
    writeFileSync(file, "[discovery]\ndht = true\n");
    await isClean("configuration", { args });
    await finds("configuration", "warning", /WGMESH_LISTEN_PROT/, { args, env: { WGMESH_LISTEN_PROT: "1" } });
  });

  test("secret", async () => {
    const file = lab.newSecretFile("shown");
    chmodSync(file, 0o644);
    const args = ["--secret-file", file];
    const remedy = await finds("secret", "error", /shown\.secret/, { args });
    expect(remedy).toContain("chmod 600");
    must(["chmod", "600", file]);
    await isClean("secret", { args });
  });

  test("state-directory", async () => {
    const { stateDir } = still;
    mkdirSync(stateDir, { mode: 0o700 });
    chmodSync(stateDir, 0o777);
    const remedy = await finds("state-directory", "error", /can be written by others \(mode 777\)/);
    must(["sh", "-c", remedy]);
    await isClean("state-directory");
    const readOnly = `mount --bind ${stateDir} ${stateDir} && mount -o remount,bind,ro ${stateDir}`;
    await finds("state-directory", "error", /cannot be written \(EROFS\)/, { within: readOnly });
    const disk = (options: string): string => `mount -t tmpfs -o mode=0700,${options} tmpfs ${stateDir}`;
    const full = `${disk("size=64m")} && head -c 67000000 /dev/zero > ${stateDir}/filler`;
    await finds("state-directory", "error", /KiB are free/, { within: full });
    await isClean("state-directory", { within: `${full} && rm ${stateDir}/filler` });
    const crowded = `${disk("nr_inodes=2")} && touch ${stateDir}/file`;
    await finds("state-directory", "error", /no inode is free/, { within: crowded });
    await isClean("state-directory", { within: `${crowded} && rm ${stateDir}/file` });
  });

  test("state-file and node-files", async () => {
    await still.startAndWait();
    await still.stop();
    await isClean("state-file");
    const key = path.join(still.stateDir, "wg0.json");
    const backup = `${key}.backup`;
    must(["cp", "-p", key, backup]);
    writeFileSync(key, "{}");
    expect(await finds("state-file", "error", /wg0\.json/)).toContain("backup");
    must(["mv", backup, key]);
    await isClean("state-file");
    const reload = path.join(still.stateDir, "wg0.reload");
    writeFileSync(reload, "advertise-routes=nowhere\n", { mode: 0o600 });
    expect(await finds("node-files", "warning", /wg0\.reload/)).toContain("remove it");
    rmSync(reload);
    await isClean("node-files");
  });

  test("leftovers", async () => {
    await still.startAndWait();
    await still.kill9();
    await finds("leftovers", "note", /names PID \d+, which is gone.*a socket that nobody answers/);
    await still.startAndWait();
    await isClean("leftovers");
    await still.stop();
    const journal = path.join(still.stateDir, "wg0.import.json");
    writeFileSync(journal, '{"paths":[]}\n', { mode: 0o600 });
    expect(await finds("leftovers", "warning", /an import was cut off/)).toContain("start the node");
    await still.startAndWait();
    await still.stop();
    await isClean("leftovers");
  });

  test("descriptors", async () => {
    await finds("descriptors", "warning", /at most 100 files/, { within: "ulimit -n 100" });
    await isClean("descriptors", { within: "ulimit -n 4096" });
  });

  test("clock", async () => {
    await finds("clock", "error", /2020-01-01T.*years behind/, {
      within: `exec faketime "2020-01-01 00:00:00" "$@"`,
    });
    // Whether a time service keeps this machine's clock right is none of a lab's affairs.
    expect((await look("clock")).severity).not.toBe("error");
    proved.add("clock");
  });

  test("route", async () => {
    sh("ip route delete default");
    const remedy = await finds("route", "warning", /no default route/);
    expect(remedy).toContain("ip route add default via ROUTER");
    sh("ip route add default via 192.0.2.254");
    await isClean("route");
  });

  test("ipv6", async () => {
    sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    const remedy = await finds("ipv6", "warning", /kernel's IPv6 is off/);
    expect(remedy).toContain("sysctl -w net.ipv6.conf.default.disable_ipv6=0");
    sh("echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    await isClean("ipv6");
  });

  test("mtu", async () => {
    sh("ip link set eth0 mtu 1300");
    expect(await finds("mtu", "warning", /by eth0 takes 1300 bytes/)).toContain("MTU of eth0 to 1360");
    sh("ip link set eth0 mtu 1360");
    await isClean("mtu");
    expect(await finds("mtu", "warning", /--mtu 1400 needs 1480/, { env: { WGMESH_MTU: "1400" } })).toContain(
      "--mtu 1280",
    );
    await isClean("mtu", { env: { WGMESH_MTU: "1280" } });
    sh("ip link set eth0 mtu 1500");
  });

  test("dns", async () => {
    const { folder } = still.host;
    writeFileSync(path.join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");
    writeFileSync(path.join(folder, "hosts"), "127.0.0.1 localhost\n");
    const within = ["resolv.conf", "hosts"]
      .map((name) => `mount --bind ${folder}/${name} /etc/${name}`)
      .join(" && ");
    const env = { WGMESH_STUN_SERVERS: "stun.lab.example", WGMESH_DHT: "false" };
    expect(await finds("dns", "warning", /stun\.lab\.example cannot be resolved/, { within, env })).toContain(
      "resolv.conf",
    );
    writeFileSync(path.join(folder, "hosts"), "192.0.2.9 stun.lab.example\n");
    await isClean("dns", { within, env });
  });

  test("stun", async () => {
    const env = { WGMESH_STUN_SERVERS: `${stunHost.address}:3478` };
    await finds("stun", "warning", /no STUN server answers/, { env });
    const server = spawn("ip", [
      ...[
        "netns",
        "exec",
        stunHost.namespace,
        "turnserver",
        "-n",
        "--stun-only",
        "--no-cli",
        "--log-file=stdout",
      ],
      ...[
        `--listening-ip=${stunHost.address}`,
        `--pidfile=${stunHost.folder}/pid`,
        `--userdb=${stunHost.folder}/db`,
      ],
    ]);
    children.push(server);
    await until(
      "the server answers",
      allowanceMs(2_000),
      async () => (await look("stun", { env })).severity === "ok",
    );
    await isClean("stun", { env });
  });

  test("multicast", async () => {
    sh("ip link set eth0 multicast off");
    const remedy = await finds("multicast", "warning", /no link is up that takes multicast/);
    expect(remedy).toContain("ip link set LINK up multicast on");
    sh("ip link set eth0 multicast on");
    await isClean("multicast");
  });

  test("firewall: what comes in", async () => {
    await isClean("firewall");
    const rules = [
      "add table inet guard",
      "add chain inet guard in { type filter hook input priority 0; policy drop; }",
      "add rule inet guard in iifname lo accept",
      "add rule inet guard in ct state established,related accept",
      "add rule inet guard in tcp dport 22 accept",
      "add rule inet guard in udp dport { 53, 67-68 } accept",
    ];
    for (const rule of rules) inStill("nft", rule);
    const remedy = await finds(
      "firewall",
      "warning",
      /UDP port 51820 \(WireGuard\) is dropped by inet guard in/,
    );
    sh(remedy.replace(/^.*such as by: /, ""));
    await isClean("firewall");
    inStill("nft", "delete table inet guard");
  });

  test("firewall: what is passed on, as Docker leaves it", async () => {
    const env = { WGMESH_ADVERTISE_ROUTES: "198.51.100.0/24" };
    const rules = [
      "add table ip filter",
      "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
      "add chain ip filter DOCKER-USER",
      "add chain ip filter DOCKER",
      "add rule ip filter FORWARD counter jump DOCKER-USER",
      "add rule ip filter FORWARD oifname docker0 ct state related,established counter accept",
      "add rule ip filter FORWARD oifname docker0 counter jump DOCKER",
      "add rule ip filter FORWARD iifname docker0 oifname != docker0 counter accept",
      "add rule ip filter DOCKER-USER counter return",
    ];
    for (const rule of rules) inStill("nft", rule);
    const seen = /198\.51\.100\.0\/24 is dropped by ip filter FORWARD, as Docker sets it up/;
    expect(await finds("firewall", "warning", seen, { env })).toContain("DOCKER-USER -i wg0 -j ACCEPT");
    // What iptables makes of it.
    for (const side of ["iifname", "oifname"])
      inStill("nft", `insert rule ip filter DOCKER-USER ${side} wg0 counter accept`);
    await isClean("firewall", { env });
    inStill("nft", "delete table ip filter");
  });

  test("forwarding", async () => {
    const env = { WGMESH_ADVERTISE_ROUTES: "198.51.100.0/24" };
    const container = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys";
    sh("echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding");
    const remedy = await finds("forwarding", "warning", /does not forward IPv4 on eth0/, {
      within: container,
      env,
    });
    const command = /sysctl -w net\.ipv4\.conf\.eth0\.forwarding=1/.exec(remedy)?.[0] ?? "false";
    sh(command);
    await isClean("forwarding", { within: container, env });
    sh("ip route delete default");
    expect(await finds("forwarding", "warning", /no way to it/, { env })).toContain(
      "add a route to 198.51.100.0/24",
    );
    sh("ip route add default via 192.0.2.254");
    await isClean("forwarding", { env });
  });

  test("overlap", async () => {
    const { mesh_subnet: subnet } = await parameters();
    const inside = subnet.replace(/\.\d+\.\d+\/\d+$/, ".77.1/24");
    sh(`ip address add ${inside} dev eth0`);
    const seen = new RegExp(`the mesh's ${subnet.replaceAll(".", "\\.")} overlaps .* of eth0`);
    await finds("overlap", "warning", seen, { args: secret });
    sh(`ip address delete ${inside} dev eth0`);
    await isClean("overlap", { args: secret });
  });

  test("link-manager", async () => {
    sh("ip link add wg0 type bridge");
    const index = sh("cat /sys/class/net/wg0/ifindex").trim();
    const noted = (folder: string, text: string): string =>
      `mount -t tmpfs tmpfs /run && mkdir -p ${folder} && printf '${text}\\n' > ${folder}/${index}`;
    // As both write it down; neither runs in a lab.
    const networkd = (state: string): string => noted("/run/systemd/netif/links", `ADMIN_STATE=${state}`);
    const manager = (managed: string): string =>
      noted("/run/NetworkManager/devices", `[device]\\nmanaged=${managed}`);
    expect(
      await finds("link-manager", "warning", /systemd-networkd manages wg0/, {
        within: networkd("configured"),
      }),
    ).toContain("Unmanaged=yes");
    await isClean("link-manager", { within: networkd("unmanaged") });
    expect(
      await finds("link-manager", "warning", /NetworkManager manages wg0/, { within: manager("true") }),
    ).toContain("unmanaged-devices");
    await isClean("link-manager", { within: manager("false") });
    sh("ip link delete wg0");
  });
});

describe("of a daemon that runs", () => {
  beforeAll(async () => {
    await live.startAndWait();
  });

  test("nothing is wrong but what a lab has not", async () => {
    const { stdout, code } = await live.client("doctor", "--json", "--state-dir", live.stateDir);
    const { checks, daemon, interface: iface, severity } = JSON.parse(stdout) as DoctorReport;
    const ill = checks.filter((check) => ["warning", "error"].includes(check.severity));
    // The machine's own time service is told of too, where there is one.
    expect(ill.map(({ id }) => id).filter((id) => id !== "clock")).toEqual(["route"]);
    expect([daemon, iface, severity, code]).toEqual([live.pid, "wg0", "warning", 12]);
    expect(checks.map(({ id }) => id)).toEqual(doctorChecks.map(({ id }) => id));
  });

  test("troubles", async () => {
    const holder = await holdPort(51_830);
    await still.startAndWait();
    const untilItSays = (wanted: RegExp): Promise<unknown> =>
      until(`it says ${wanted}`, allowanceMs(5_000), async () => wanted.test((await look("troubles")).seen));
    await untilItSays(/lan: /);
    expect(await finds("troubles", "warning", /discovery: lan: .*EADDRINUSE/)).toContain("wgmesh status");
    expect(await finds("lan-port", "warning", /held by node/)).toContain("end that program");
    await end(holder);
    // It tries again by itself too, ever more rarely.
    await still.stop();
    await still.startAndWait();
    await untilItSays(/^none$/);
    await isClean("troubles");
    await still.stop();
  });

  test("for a user without rights, what he may not see is unknown and no fault", async () => {
    const within = `exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`;
    for (const id of ["daemon", "state-directory", "state-file", "node-files", "descriptors"]) {
      expect(await look(id, { within, node: live }), id).toMatchObject({
        severity: expect.stringMatching(/^(unknown|note|ok)$/),
      });
    }
    await finds("rights", "error", /this user lacks CAP_NET_ADMIN/, { within, node: live });
  });

  test("daemon: its socket is gone", async () => {
    await isClean("daemon", { node: live });
    rmSync(live.socketPath);
    const remedy = await finds("daemon", "error", /lives, but its socket .* is gone/, { node: live });
    expect(remedy).toContain(`kill ${live.pid}`);
    must(["kill", String(live.pid)]);
    await live.exit();
    await live.startAndWait();
    await isClean("daemon", { node: live });
  });
});

test("every check was shown a fault of its own", () => {
  expect([...proved].sort()).toEqual(doctorChecks.map(({ id }) => id).sort());
});
