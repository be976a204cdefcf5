/** What may be wrong with a machine's network. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { allowanceMs, until } from "../harness/time.ts";
import { children, finds, inStill, isClean, look, parameters, secret, sh, still, stunHost } from "./look.ts";

describe("without a daemon", () => {
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

  test("firewall: what iptables-legacy may do is unknown, since nft does not show it", async () => {
    // Asking for the table makes it, as `iptables-legacy -L` does: getsockopt(IPPROTO_IP, IPT_SO_GET_INFO).
    const script = [
      "import ctypes, socket",
      "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)",
      "info = ctypes.create_string_buffer(b'filter', 84)",
      "length = ctypes.c_uint(84)",
      "assert ctypes.CDLL(None).getsockopt(s.fileno(), 0, 64, info, ctypes.byref(length)) == 0",
    ].join("\n");
    const within = `exec unshare -n sh -c 'python3 -c "$0" && exec "$@"' "${script}" "$@"`;
    const remedy = await finds("firewall", "unknown", /iptables-legacy may be there \(ip filter\)/, {
      within,
    });
    expect(remedy).toContain("'iptables-legacy-save'");
    await isClean("firewall", { within: 'exec unshare -n "$@"' });
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
