/** The service and policies for firewalld, as commands with the file they need (firewalld.service(5), firewalld.policies(5)). Pure. */
import { forwardCommands } from "./iptables.ts";
import { INTERNET, type Need, type Opening, type Passage } from "./need.ts";

/** Names of zones are no longer (firewalld.zone(5)). */
const LONGEST_ZONE = 17;
const FOLDER = "/etc/firewalld/services";

/** @param docker the families in which Docker has its chain for the rules of others. */
export function firewalldText(need: Need, docker: readonly ("ip" | "ip6")[]): string {
  const { interfaceName, passages } = need;
  const service = `wgmesh-${interfaceName}`;
  return [
    `# What firewalld has to let through for ${interfaceName} (wgmesh). Nothing has been changed. To do it, now and after each boot:`,
    "#   wgmesh firewall --format firewalld | sh",
    "",
    `# To this host: a service, in the default zone. Where the links to the others, or ${interfaceName}, are in another zone, add it there too`,
    `# (firewall-cmd --permanent --zone=ZONE --add-service=${service}).`,
    `cat > ${FOLDER}/${service}.xml <<'EOF'`,
    serviceXml(need).trimEnd(),
    "EOF",
    "firewall-cmd --reload",
    `firewall-cmd --permanent --add-service=${service}`,
    ...(passages.length === 0 ? [] : ["", ...passageCommands(need)]),
    "firewall-cmd --reload",
    ...(docker.length === 0 || passages.length === 0
      ? []
      : [
          "",
          "# Docker's drop stands beside firewalld; not kept at the next boot:",
          ...forwardCommands(need, docker),
        ]),
    "",
  ].join("\n");
}

/** The file of the service alone. */
export function serviceXml({ interfaceName, openings }: Need): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    "<service>",
    `  <short>wgmesh ${interfaceName}</short>`,
    `  <description>WireGuard mesh on ${interfaceName}: its tunnels, and how its nodes find each other.</description>`,
    ...openings.map((opening) => `  ${element(opening)}`),
    "</service>",
    "",
  ].join("\n");
}

/** A service cannot say on which link or to which group. Nobody listens on the ports of the mesh but at its addresses. */
function element({ protocol, port }: Opening): string {
  return port === null ? `<protocol value="${protocol}"/>` : `<port protocol="${protocol}" port="${port}"/>`;
}

/** Between zones packets pass by policies; so the interface gets a zone of its own. */
function passageCommands({ interfaceName, passages }: Need): string[] {
  const usual = `wgmesh-${interfaceName}`;
  const zone = usual.length <= LONGEST_ZONE ? usual : interfaceName;
  const permanent = (words: string): string => `firewall-cmd --permanent ${words}`;
  return [
    `# Through this host: ${interfaceName} gets a zone of its own. What members may use of this host itself is to be let in there, too, such as`,
    `# firewall-cmd --permanent --zone=${zone} --add-service=ssh`,
    permanent(`--new-zone=${zone}`),
    permanent(`--zone=${zone} --add-service=wgmesh-${interfaceName}`),
    permanent(`--zone=${zone} --add-forward`),
    permanent(`--zone=${zone} --change-interface=${interfaceName}`),
    ...passages.flatMap((passage, index) => policyCommands(zone, passage, index)),
  ];
}

/**
 * What answers is let through by firewalld itself. A zone may have more links than the one: so policies name the networks, too. They count
 * between zones alone that have a link by name, which the default zone has not where nobody chose a zone for its links.
 */
function policyCommands(zone: string, { from, to, networks, answersOnly }: Passage, index: number): string[] {
  // From the mesh to the mesh: the zone's own forwarding.
  if (to === from) return [];
  if (to === null)
    return [`# no link of this host leads to ${networks.join(", ")}: there is nothing to let through yet`];
  const policy = (name: string, ingress: string, egress: string, rules: readonly string[]): string[] =>
    [
      `--new-policy=${name}`,
      `--policy=${name} --add-ingress-zone="${ingress}"`,
      `--policy=${name} --add-egress-zone="${egress}"`,
      ...rules.map((rule) => `--policy=${name} ${rule}`),
    ].map((words) => `firewall-cmd --permanent ${words}`);
  const behind = networks.filter((network) => network !== INTERNET);
  const rich = (side: "source" | "destination"): string[] =>
    behind.map(
      (network) =>
        `--add-rich-rule='rule family="${network.includes(":") ? "ipv6" : "ipv4"}" ${side} address="${network}" accept'`,
    );
  const out = behind.length < networks.length ? ["--set-target=ACCEPT"] : rich("destination");
  return [
    `# ${networks.join(", ")} by ${to}, which is put into its zone by name`,
    `zone=$(firewall-cmd --get-zone-of-interface=${to} 2>/dev/null || firewall-cmd --get-default-zone)`,
    `firewall-cmd --permanent --zone="$zone" --change-interface=${to}`,
    ...policy(`${policyName(from)}-out${index}`, zone, "$zone", out),
    ...(answersOnly ? [] : policy(`${policyName(from)}-in${index}`, "$zone", zone, rich("source"))),
  ];
}

/** Names of policies are 18 characters at most. */
const policyName = (interfaceName: string): string => `wg-${interfaceName.slice(0, 9)}`;
