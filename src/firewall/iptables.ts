/** The rules for iptables and ip6tables, as commands (iptables(8), iptables-extensions(8)). Pure. */
import { commentOf, INTERNET, type Need, type Opening, openingText, type Passage } from "./need.ts";

type Program = "iptables" | "ip6tables";

/** @param docker the families in which Docker has its chain for the rules of others. */
export function iptablesText(need: Need, docker: readonly ("ip" | "ip6")[]): string {
  return [
    `# What iptables has to let through for ${need.interfaceName} (wgmesh). Nothing has been changed. To do it until the next boot:`,
    "#   wgmesh firewall --format iptables | sh",
    "# To keep it, save the rules as the system does (Debian: netfilter-persistent save).",
    "",
    "# To this host:",
    ...need.openings.flatMap((opening) => [`#   ${openingText(opening)}`]),
    ...need.openings.flatMap((opening) => inputCommands(need, opening)),
    ...(need.passages.length === 0 ? [] : ["", "# Through this host:", ...forwardCommands(need, docker)]),
    "",
  ].join("\n");
}

/** The commands for what is passed on; for Docker's chain where it has one. */
export function forwardCommands(need: Need, docker: readonly ("ip" | "ip6")[]): string[] {
  return need.passages.flatMap((passage) =>
    (["iptables", "ip6tables"] as const).flatMap((program) => {
      const chain = docker.includes(program === "iptables" ? "ip" : "ip6") ? "DOCKER-USER" : "FORWARD";
      return passageMatches(passage, program).map((match) => command(need, program, chain, match));
    }),
  );
}

function inputCommands(need: Need, { protocol, port, destination, link, ipv6 }: Opening): string[] {
  const match = [
    ...(link === null ? [] : [`-i ${link}`]),
    `-p ${protocol}`,
    ...(destination === null ? [] : [`-d ${destination}`]),
    ...(port === null ? [] : [`--dport ${port}`]),
  ].join(" ");
  const programs: readonly Program[] = ipv6 ? ["iptables", "ip6tables"] : ["iptables"];
  return programs.map((program) => command(need, program, "INPUT", match));
}

const command = (need: Need, program: Program, chain: string, match: string): string =>
  `${program} -I ${chain} ${match} -m comment --comment "${commentOf(need)}" -j ACCEPT`;

function passageMatches({ from, to, networks, answersOnly }: Passage, program: Program): string[] {
  const own = networks.filter(
    (network) => network === INTERNET || network.includes(":") === (program === "ip6tables"),
  );
  if (to === null) return own.flatMap((network) => [`-i ${from} -d ${network}`, `-o ${from} -s ${network}`]);
  if (own.length === 0) return [];
  if (to === from) return [`-i ${from} -o ${from}`];
  const back = answersOnly ? " -m conntrack --ctstate ESTABLISHED,RELATED" : "";
  return [`-i ${from} -o ${to}`, `-i ${to} -o ${from}${back}`];
}
