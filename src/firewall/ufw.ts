/** The rules for ufw, as commands (ufw(8)). Pure. */
import { forwardCommands } from "./iptables.ts";
import { commentOf, type Need, type Opening, type Passage } from "./need.ts";

/** @param docker the families in which Docker has its chain for the rules of others. */
export function ufwText(need: Need, docker: readonly ("ip" | "ip6")[]): string {
  const { interfaceName, openings, passages } = need;
  const comment = ` comment '${commentOf(need)}`;
  return [
    `# What ufw has to let through for ${interfaceName} (wgmesh). Nothing has been changed. To do it, now and after each boot:`,
    "#   wgmesh firewall --format ufw | sh",
    "",
    "# To this host:",
    ...openings.map((opening) => `ufw allow in ${matchOf(opening)}${comment}: ${opening.why}'`),
    ...(passages.length === 0
      ? []
      : [
          "",
          "# Through this host:",
          ...passages.flatMap((passage) =>
            routeRules(passage).map((rule) => `ufw route allow ${rule}${comment}'`),
          ),
        ]),
    ...(docker.length === 0 || passages.length === 0
      ? []
      : [
          "",
          "# Docker's drop comes before ufw's rules; not kept at the next boot:",
          ...forwardCommands(need, docker),
        ]),
    "",
  ].join("\n");
}

function matchOf({ link, protocol, destination, port }: Opening): string {
  const on = link === null ? "" : `on ${link} `;
  const to = destination ?? (port === null ? "224.0.0.0/4" : "any");
  return `${on}proto ${protocol} from any to ${to}${port === null ? "" : ` port ${port}`}`;
}

/** What answers is let through by ufw's own rules. */
function routeRules({ from, to, networks, answersOnly }: Passage): string[] {
  if (to === null)
    return networks.flatMap((network) => [`in on ${from} to ${network}`, `out on ${from} from ${network}`]);
  const there = `in on ${from} out on ${to}`;
  return answersOnly || to === from ? [there] : [there, `in on ${to} out on ${from}`];
}
