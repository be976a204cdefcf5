/** What `wgmesh firewall` prints, from facts (row G10). */
import { describe, expect, test } from "vitest";
import type { InterfaceName } from "../../../src/core/types.ts";
import type { Ruleset } from "../../../src/doctor/ruleset.ts";
import { FORMATS } from "../../../src/firewall/found.ts";
import { type NodeFacts, needOf } from "../../../src/firewall/need.ts";
import { firewallText } from "../../../src/firewall/text.ts";

const facts: NodeFacts = {
  interfaceName: "wg0" as InterfaceName,
  wireguardPort: 51_820,
  meshes: [{ controlPort: 52_011, probePort: 54_011, multicastGroup: "239.192.7.9" }],
  lanDiscovery: true,
  dhtPort: null,
  relayPort: null,
  ipv6: true,
  networks: [],
  exitLinks: [],
};

const chain = (family: string, table: string, name: string, hook: string, policy: string) => ({
  ...{ family, table, name, hook, policy, prio: 0, type: "filter" },
});
const closed: Ruleset = {
  chains: [chain("inet", "guard", "in", "input", "drop"), chain("inet", "guard", "fw", "forward", "drop")],
  rules: [],
};
const docker: Ruleset = {
  chains: [
    chain("ip", "filter", "FORWARD", "forward", "drop"),
    { family: "ip", table: "filter", name: "DOCKER-USER" },
  ],
  rules: [{ family: "ip", table: "filter", chain: "FORWARD", expr: [{ jump: { target: "DOCKER-USER" } }] }],
};

/** What counts: neither comments nor empty lines. */
const lines = (text: string): string[] =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
const printed = (
  format: (typeof FORMATS)[number],
  more: Partial<NodeFacts> = {},
  ruleset: Ruleset | null = closed,
) => lines(firewallText(format, needOf({ ...facts, ...more }), ruleset));

describe("nft", () => {
  test("adds to the chains that would drop it", () => {
    expect(printed("nft")).toEqual(
      [
        "udp dport { 51820, 52011 }",
        "ip daddr 239.192.7.9 udp dport 51830",
        "ip protocol igmp",
        'iifname "wg0" tcp dport 54011',
        'iifname "wg0" udp dport 54011',
      ].map((match) => `insert rule inet guard in ${match} accept comment "wgmesh wg0"`),
    );
  });

  test("changes nothing where no chain would, or where the rules cannot be read, and says so", () => {
    for (const [ruleset, why] of [
      [
        { chains: [chain("inet", "guard", "in", "input", "accept")], rules: [] },
        "No chain of this machine drops it",
      ],
      [null, "could not be read"],
    ] as const) {
      const text = firewallText("nft", needOf(facts), ruleset);
      expect(lines(text)).toEqual([]);
      expect(text).toContain(why);
      expect(text).toContain("# insert rule inet filter input udp dport { 51820, 52011 } accept");
    }
  });

  test("names a network by its link, and by its addresses where no link leads there", () => {
    const networks = [
      { network: "192.168.77.0/24", link: "lan0" },
      { network: "fd77::/64", link: null },
    ];
    expect(printed("nft", { networks }).filter((line) => line.includes(" fw "))).toEqual(
      [
        'iifname "wg0" oifname "lan0"',
        'iifname "lan0" oifname "wg0"',
        'iifname "wg0" ip6 daddr fd77::/64',
        'oifname "wg0" ip6 saddr fd77::/64',
      ].map((match) => `insert rule inet guard fw ${match} accept comment "wgmesh wg0"`),
    );
  });

  test("goes into Docker's chain for the rules of others, not into the one it writes anew", () => {
    const networks = [{ network: "192.168.77.0/24", link: "lan0" }];
    expect(printed("nft", { networks }, docker)).toEqual([
      'insert rule ip filter DOCKER-USER iifname "wg0" oifname "lan0" accept comment "wgmesh wg0"',
      'insert rule ip filter DOCKER-USER iifname "lan0" oifname "wg0" accept comment "wgmesh wg0"',
    ]);
  });
});

test("of an exit node only what answers comes back from the Internet", () => {
  const exit = { exitLinks: ["eth0", "eth0"] };
  expect(printed("nft", exit).filter((line) => line.includes(" fw "))).toEqual([
    'insert rule inet guard fw iifname "wg0" oifname "eth0" accept comment "wgmesh wg0"',
    'insert rule inet guard fw iifname "eth0" oifname "wg0" ct state established,related accept comment "wgmesh wg0"',
  ]);
  expect(printed("iptables", exit).filter((line) => line.includes("-i eth0"))).toEqual(
    ["iptables", "ip6tables"].map(
      (program) =>
        `${program} -I FORWARD -i eth0 -o wg0 -m conntrack --ctstate ESTABLISHED,RELATED -m comment --comment "wgmesh wg0" -j ACCEPT`,
    ),
  );
  expect(printed("ufw", exit).filter((line) => line.includes("route"))).toEqual([
    "ufw route allow in on wg0 out on eth0 comment 'wgmesh wg0'",
  ]);
  const policies = printed("firewalld", exit).filter((line) => line.includes("--new-policy"));
  expect(policies).toEqual(["firewall-cmd --permanent --new-policy=wg-wg0-out0"]);
});

test("firewalld lets the networks through alone, whatever else is in their link's zone, and has the zone count", () => {
  const networks = [
    { network: "192.168.77.0/24", link: "lan0" },
    { network: "fd77::/64", link: "lan0" },
  ];
  const commands = printed("firewalld", { networks }).filter((line) =>
    /zone=\$|\$zone|rich|target/.test(line),
  );
  const permanent = (words: string): string => `firewall-cmd --permanent ${words}`;
  const rich = (way: string, side: string): string[] => [
    permanent(
      `--policy=wg-wg0-${way}0 --add-rich-rule='rule family="ipv4" ${side} address="192.168.77.0/24" accept'`,
    ),
    permanent(
      `--policy=wg-wg0-${way}0 --add-rich-rule='rule family="ipv6" ${side} address="fd77::/64" accept'`,
    ),
  ];
  expect(commands).toEqual([
    "zone=$(firewall-cmd --get-zone-of-interface=lan0 2>/dev/null || firewall-cmd --get-default-zone)",
    permanent('--zone="$zone" --change-interface=lan0'),
    permanent('--policy=wg-wg0-out0 --add-egress-zone="$zone"'),
    ...rich("out", "destination"),
    permanent('--policy=wg-wg0-in0 --add-ingress-zone="$zone"'),
    ...rich("in", "source"),
  ]);
});

test("a link that leads to a network and to the Internet has both let through, in both families", () => {
  const both = { networks: [{ network: "192.168.77.0/24", link: "eth0" }], exitLinks: ["eth0"] };
  const firewalld = printed("firewalld", both).filter((line) => /rich|target/.test(line));
  expect(firewalld).toEqual([
    "firewall-cmd --permanent --policy=wg-wg0-out0 --set-target=ACCEPT",
    `firewall-cmd --permanent --policy=wg-wg0-in0 --add-rich-rule='rule family="ipv4" source address="192.168.77.0/24" accept'`,
  ]);
  expect(printed("iptables", both).filter((line) => line.startsWith("ip6tables -I FORWARD"))).toHaveLength(2);
});

test("what goes from the mesh to clients of this node, which are on the same link, is let through once", () => {
  const clients = { networks: [{ network: "10.9.8.0/24", link: "wg0" }] };
  expect(printed("nft", clients).filter((line) => line.includes(" fw "))).toEqual([
    'insert rule inet guard fw iifname "wg0" oifname "wg0" accept comment "wgmesh wg0"',
  ]);
  expect(printed("iptables", clients).filter((line) => line.includes("FORWARD"))).toEqual([
    'iptables -I FORWARD -i wg0 -o wg0 -m comment --comment "wgmesh wg0" -j ACCEPT',
  ]);
  expect(printed("ufw", clients).filter((line) => line.includes("route"))).toEqual([
    "ufw route allow in on wg0 out on wg0 comment 'wgmesh wg0'",
  ]);
  const firewalld = printed("firewalld", clients);
  expect(firewalld).toContain("firewall-cmd --permanent --zone=wgmesh-wg0 --add-forward");
  expect(firewalld.join()).not.toContain("policy");
});

test("ports that are free to choose are named where they are fixed, and both meshes' during a move", () => {
  const [mesh] = facts.meshes;
  const second = { controlPort: 51_999, probePort: 53_999, multicastGroup: "239.192.1.1" };
  const more = { dhtPort: 6881, relayPort: 7000, meshes: mesh ? [mesh, second] : [], wireguardPort: 40_000 };
  expect(printed("nft", more)[0]).toContain("udp dport { 40000, 52011, 51999, 7000, 6881 } accept");
  expect(printed("nft", { ...more, lanDiscovery: false }).join()).not.toMatch(/51830|igmp/);
});

test("without IPv6 there is no command for it", () => {
  const programs = (ipv6: boolean): Set<string | undefined> =>
    new Set(printed("iptables", { ipv6 }).map((line) => line.split(" ")[0]));
  expect(programs(true)).toEqual(new Set(["iptables", "ip6tables"]));
  expect(programs(false)).toEqual(new Set(["iptables"]));
});

test("Docker's chain is named beside whatever else manages the rules", () => {
  const networks = [{ network: "192.168.77.0/24", link: "lan0" }];
  for (const format of ["iptables", "ufw", "firewalld"] as const) {
    expect(printed(format, { networks }, docker)).toContain(
      'iptables -I DOCKER-USER -i wg0 -o lan0 -m comment --comment "wgmesh wg0" -j ACCEPT',
    );
    expect(printed(format, { networks }).join()).not.toContain("DOCKER-USER");
  }
});

test("every quote of a command ends in its line, and names of firewalld are short enough", () => {
  const long = {
    interfaceName: "wireguard-mesh0" as InterfaceName,
    networks: [{ network: "192.168.77.0/24", link: "lan0" }],
  };
  for (const format of FORMATS) {
    for (const line of printed(format, long)) {
      expect(line.match(/'/g)?.length ?? 0, line).toSatisfy((count: number) => count % 2 === 0);
    }
  }
  for (const line of printed("firewalld", long)) {
    const [, kind, name = ""] = /--new-(zone|policy)=(\S+)/.exec(line) ?? [];
    expect(name.length).toBeLessThanOrEqual(kind === "zone" ? 17 : 18);
  }
});
