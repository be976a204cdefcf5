/** Hosts whose firewalls drop what nobody named: `wgmesh firewall` names what a node needs (row G10). */
import { describe, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Kinds of a firewall that lets in what answers, and drops the rest of what comes in or passes. */
const firewalls = {
  nft: (namespace: string): void =>
    inside(namespace, [
      "nft add table inet guard",
      "nft add chain inet guard in { type filter hook input priority 0; policy drop; }",
      "nft add rule inet guard in iifname lo accept",
      "nft add rule inet guard in ct state established,related accept",
      "nft add rule inet guard in meta l4proto { icmp, icmpv6 } accept",
      "nft add rule inet guard in udp dport 51830 counter drop",
      "nft add chain inet guard fw { type filter hook forward priority 0; policy drop; }",
    ]),
  iptables: (namespace: string): void =>
    inside(
      namespace,
      ["iptables", "ip6tables"].flatMap((program) => [
        `${program} -A INPUT -i lo -j ACCEPT`,
        `${program} -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
        `${program} -A INPUT -p ${program === "iptables" ? "icmp" : "icmpv6"} -j ACCEPT`,
        `${program} -A INPUT -p udp --dport 51830 -j DROP`,
        `${program} -P INPUT DROP`,
        `${program} -P FORWARD DROP`,
      ]),
    ),
};

function inside(namespace: string, commands: readonly string[]): void {
  for (const command of commands) must(["ip", "netns", "exec", namespace, ...command.split(" ")]);
}

/** Announcements of the LAN that the firewall dropped. */
function dropped({ host }: MeshNode): number {
  const text = must(["ip", "netns", "exec", host.namespace, "nft", "list", "ruleset"]);
  return Number(/udp dport 51830 counter packets (\d+) .*drop/.exec(text)?.[1] ?? 0);
}

/** Has the shell of the host do what the command line of the node prints. */
async function letThrough(node: MeshNode, program: string): Promise<string> {
  const { code, stdout, stderr } = await node.client("firewall");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  must(["ip", "netns", "exec", node.host.namespace, ...program.split(" ")], stdout);
  return stdout;
}

describe.each([
  ["nft", "nft -f -"],
  ["iptables", "sh"],
] as const)("behind firewalls of %s that drop the rest", (kind, program) => {
  const lab = useLab();
  const nodes = [lab.addNode("a"), lab.addNode("b")] as const;
  const [a, b] = nodes;
  const behind = lab.addNamespace("behind");
  const lan = "192.168.77";

  test("nodes of one LAN form no mesh, and do once the printed rules are loaded", async () => {
    for (const { host } of nodes) firewalls[kind](host.namespace);
    for (const node of nodes) node.start();
    for (const node of nodes) await node.untilRunning();
    await until("both have called in vain", allowanceMs(2_000), () =>
      nodes.every((node) => dropped(node) > 2),
    );
    for (const node of nodes)
      expect((await node.rpc<StatusJson>("daemon.status")).peers).toMatchObject({ total: 0 });
    for (const node of nodes) await letThrough(node, program);
    // News is called out at once; the next announcement would be up to 12 s away.
    for (const node of nodes) await node.rpc("config.set", { settings: { introducer: true } });
    const members = await Promise.all(
      nodes.map(async (node) => ({ node, status: await node.untilRunning() })),
    );
    await pingAllPairs(members, 3_000);
    const [, inB] = members;
    const { code, stdout } = await a.client("ping", inB?.status.mesh_ip ?? "", "--count", "1");
    expect({ code, stdout }).toMatchObject({ code: 0 });
    for (const node of nodes) {
      const { stdout: doctor } = await node.client("doctor", "--check", "firewall");
      expect(doctor).toMatch(/firewall +ok/);
    }
  });

  test("what a node forwards is dropped, and passes once the printed rules are loaded", async () => {
    inside(a.host.namespace, [
      `ip link add lan0 type veth peer name eth0 netns ${behind}`,
      `ip address add ${lan}.1/24 dev lan0`,
      "ip link set lan0 up",
      `ip -n ${behind} address add ${lan}.2/24 dev eth0`,
      `ip -n ${behind} link set eth0 up`,
      `ip -n ${behind} route add default via ${lan}.1`,
    ]);
    expect((await a.client("config", "set", "advertise-routes", `${lan}.0/24`)).code).toBe(0);
    await until("the other has the route", allowanceMs(2_000), async () =>
      (await b.exec(["ip", "route", "show", `${lan}.0/24`])).stdout.includes("wg0"),
    );
    const warning = await until("a warning", allowanceMs(1_000), async () =>
      (await a.rpc<StatusJson>("daemon.status")).warnings.find((text) => text.includes("dropped by")),
    );
    expect(warning).toContain(`${lan}.0/24 is dropped by `);
    expect(warning).toContain("wgmesh firewall");
    expect((await b.exec(["ping", "-c", "2", "-i", "0.2", "-w", "1", `${lan}.2`])).code).not.toBe(0);
    expect(await letThrough(a, program)).toContain("lan0");
    await b.pingUntilAnswered(`${lan}.2`, allowanceMs(1_000));
    const { mesh_ip: member } = await b.rpc<StatusJson>("daemon.status");
    must(["ip", "netns", "exec", behind, "ping", "-c", "1", "-W", "5", member]);
  });
});
