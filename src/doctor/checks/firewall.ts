import { DEFAULT_LISTEN_PORT } from "../../config/options.ts";
import { type Check, type Judgement, ok, together, unknown, warning } from "../check.ts";
import { forwardFate } from "../forwardFate.ts";
import type { DoctorHost } from "../host.ts";
import { isProblem, type Patient } from "../patient.ts";
import { type Fate, fateOf, type Ruleset } from "../ruleset.ts";
import { advertisedNetworks, underlayLink } from "./paths.ts";

/** Whether the packet filter lets members in, and what goes to advertised networks through. */
export const firewallCheck: Check = {
  id: "firewall",
  title: "Firewall",
  async judge(patient, host, signal) {
    if (host.platform !== "linux") return unknown("the rules of this system are not looked at");
    const ruleset = await host.ruleset(signal);
    const ports = portsOf(patient);
    const findings = [
      ...ports.map(([port, name]) => inputJudgement(ruleset, port, name, host)),
      ...advertisedNetworks(patient).map((network) => forwardJudgement(ruleset, network, patient, host)),
      ...legacyJudgement(host.legacyTables()),
    ];
    const told = ports.map(([port]) => port).join(" and ");
    const found = together(findings, ok(`lets UDP port ${told} in`));
    if (found.severity !== "warning") return found;
    return { ...found, remedy: `load what 'wgmesh firewall' prints, or ${found.remedy}` };
  },
};

function portsOf({ running, options, secret }: Patient): [port: number, name: string][] {
  const wireguard = running?.listenPort ?? options.listenPort ?? DEFAULT_LISTEN_PORT;
  const control = secret === null || isProblem(secret) ? [] : [secret.gossipPort];
  return [[wireguard, "WireGuard"], ...control.map((port): [number, string] => [port, "control"])];
}

/** Their rules take effect beside those of nft, which shows none of them. */
function legacyJudgement(tables: readonly string[]): Judgement[] {
  if (tables.length === 0) return [];
  const commands = [...new Set(tables.map((table) => (table.startsWith("ip6 ") ? "ip6tables" : "iptables")))];
  const looks = commands.map((command) => `'${command}-legacy-save'`).join(" and ");
  return [
    unknown(
      `rules of iptables-legacy may be there (${tables.join(", ")}), which nft does not show`,
      `look at them by ${looks}; ${commands[0]}-nft has rules that this check reads`,
    ),
  ];
}

function inputJudgement(ruleset: Ruleset, port: number, name: string, host: DoctorHost): Judgement {
  const iifname = underlayLink(host) ?? "";
  const fate = fateOf(ruleset, { hook: "input", family: "ip", udpPort: port, iifname, oifname: "" });
  const rule = `nft insert rule ${fate.chain} udp dport ${port} accept`;
  return judgement(fate, `UDP port ${port} (${name})`, `let it in, such as by: ${rule}`);
}

function forwardJudgement(
  ruleset: Ruleset,
  network: string,
  { options: { interfaceName } }: Patient,
  host: DoctorHost,
): Judgement {
  const [address = ""] = network.split("/");
  const oifname = host.pathTo(address)?.linkName ?? "";
  const { fate, by, remedy } = forwardFate(ruleset, network, interfaceName, oifname);
  return judgement(fate, `what the mesh sends to ${network}`, remedy, by);
}

function judgement({ verdict, chain }: Fate, what: string, remedy: string, by = ""): Judgement {
  if (verdict === "accept") return ok(what);
  if (verdict === "drop") return warning(`${what} is dropped by ${chain}${by}`, remedy);
  return unknown(`${chain} decides on ${what} by more than its port`);
}
