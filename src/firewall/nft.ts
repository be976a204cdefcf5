/** The rules for nftables, as `nft -f -` takes them (nft(8)). Pure. */
import type { Ruleset } from "../doctor/ruleset.ts";
import { type ChainName, dockerFamilies, droppingChains } from "./found.ts";
import { commentOf, type Need, type Opening, openingText, type Passage } from "./need.ts";

/** The chain of Debian's and Fedora's sample files, where the rules of this machine could not be read. */
const USUAL: Readonly<Record<"input" | "forward", ChainName>> = {
  input: { family: "inet", table: "filter", name: "input" },
  forward: { family: "inet", table: "filter", name: "forward" },
};

const shown = ({ family, table, name }: ChainName): string => `${family} ${table} ${name}`;

/** @param ruleset null where it could not be read. */
export function nftText(need: Need, ruleset: Ruleset | null): string {
  const sections = [inputSection(need, ruleset)];
  if (need.passages.length > 0) sections.push(forwardSection(need, ruleset));
  return [
    `# What nftables has to let through for ${need.interfaceName} (wgmesh). Nothing has been changed. To do it until the next boot:`,
    "#   wgmesh firewall --format nft | nft -f -",
    "# To keep it, write the rules into the chain's own file (such as /etc/nftables.conf), before whatever drops the rest.",
    "# They stand in the chains that would drop it: an accept ends its own chain only, so a table of wgmesh's could not undo their drop.",
    ...sections.flatMap((lines) => ["", ...lines]),
    "",
  ].join("\n");
}

function inputSection(need: Need, ruleset: Ruleset | null): string[] {
  const told = need.openings.map((opening) => `#   ${openingText(opening)}`);
  const rules = (family: string): string[] =>
    grouped(need.openings.filter(({ ipv6 }) => family !== "ip6" || ipv6)).map(
      (match) => `${match} accept comment "${commentOf(need)}"`,
    );
  const chains = ruleset === null ? null : droppingChains(ruleset, "input", need);
  return ["# To this host:", ...told, ...inserted(chains, USUAL.input, rules)];
}

function forwardSection(need: Need, ruleset: Ruleset | null): string[] {
  const told = need.passages.map(
    ({ from, to, networks }) => `#   ${from} to ${networks.join(", ")}${to === null ? "" : ` by ${to}`}`,
  );
  const rules = (family: string): string[] =>
    need.passages
      .flatMap((passage) => passageMatches(passage, family))
      .map((match) => `${match} accept comment "${commentOf(need)}"`);
  const docker = dockerFamilies(ruleset);
  const chains =
    ruleset === null
      ? null
      : droppingChains(ruleset, "forward", need).map((chain) =>
          // Docker writes its own chain anew, and leaves this one to others.
          chain.name === "FORWARD" && docker.some((family) => family === chain.family)
            ? { ...chain, name: "DOCKER-USER" }
            : chain,
        );
  return ["# Through this host:", ...told, ...inserted(chains, USUAL.forward, rules)];
}

/** @param chains null where it is not known which there are. */
function inserted(
  chains: readonly ChainName[] | null,
  usual: ChainName,
  rules: (family: string) => readonly string[],
): string[] {
  const lines = (chain: ChainName): string[] =>
    // What is inserted last stands first.
    rules(chain.family).map((rule) => `insert rule ${shown(chain)} ${rule}`);
  if (chains !== null && chains.length > 0) return chains.flatMap(lines);
  const reason =
    chains === null
      ? "# The rules of this machine could not be read (run it as root): with a chain named as usual these would be"
      : "# No chain of this machine drops it. For one that does, named as usual, these would be";
  return [reason, ...lines(usual).map((line) => `# ${line}`)];
}

/** Ports of one protocol that are let in alike stand in one rule. */
function grouped(openings: readonly Opening[]): string[] {
  const heads = openings.map((opening) => ({ opening, head: headOf(opening) }));
  return [...new Set(heads.map(({ head }) => head))].map((head) => {
    const ports = heads.flatMap(({ head: other, opening }) => (other === head ? (opening.port ?? []) : []));
    if (ports.length === 0) return head;
    return `${head} dport ${ports.length === 1 ? ports[0] : `{ ${ports.join(", ")} }`}`;
  });
}

function headOf({ link, destination, protocol, port }: Opening): string {
  return [
    ...(link === null ? [] : [`iifname "${link}"`]),
    ...(destination === null ? [] : [`ip daddr ${destination}`]),
    port === null ? `ip protocol ${protocol}` : protocol,
  ].join(" ");
}

function passageMatches({ from, to, networks, answersOnly }: Passage, family: string): string[] {
  const back = answersOnly ? " ct state established,related" : "";
  if (to === from) return [`iifname "${from}" oifname "${from}"`];
  if (to !== null) return [`iifname "${from}" oifname "${to}"`, `iifname "${to}" oifname "${from}"${back}`];
  return networks.flatMap((network) => {
    const of = network.includes(":") ? "ip6" : "ip";
    if (family !== "inet" && family !== of) return [];
    return [`iifname "${from}" ${of} daddr ${network}`, `oifname "${from}" ${of} saddr ${network}`];
  });
}
