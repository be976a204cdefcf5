/** Which kind of firewall this machine has, and which of its chains would drop what a node needs. Pure. */
import { fateOf, type Hook, type Packet, type Ruleset } from "../doctor/ruleset.ts";
import type { Need } from "./need.ts";

export const FORMATS = ["nft", "iptables", "firewalld", "ufw"] as const;
export type Format = (typeof FORMATS)[number];

/** What is seen of the machine. */
export interface Found {
  /** firewalld runs. */
  readonly firewalld: boolean;
  /** ufw is switched on. */
  readonly ufw: boolean;
  readonly nft: boolean;
  readonly iptables: boolean;
  /** Null where the rules could not be read. */
  readonly ruleset: Ruleset | null;
}

export interface ChainName {
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

/** The managers first: rules that are put beside theirs are gone with their next reload. */
export function formatOf({ firewalld, ufw, nft, iptables, ruleset }: Found): Format {
  if (firewalld) return "firewalld";
  if (ufw) return "ufw";
  if (!nft) return iptables ? "iptables" : "nft";
  const own = ruleset?.chains.filter(({ hook }) => hook === "input") ?? [];
  return iptables && own.length > 0 && own.every(isIptables) ? "iptables" : "nft";
}

const isIptables = ({ family, table, name }: ChainName): boolean =>
  (family === "ip" || family === "ip6") && table === "filter" && name === "INPUT";

/** Where Docker wants the operator's own rules, for `ip` and `ip6`. */
export function dockerFamilies(ruleset: Ruleset | null): readonly ("ip" | "ip6")[] {
  const families = (ruleset?.chains ?? []).filter(({ name }) => name === "DOCKER-USER");
  return (["ip", "ip6"] as const).filter((family) => families.some((chain) => chain.family === family));
}

/** The link that what comes from outside is thought to come in by; only rules that name a link look at it. */
export const OUTSIDE = "wgmesh-outside";

/** Base chains that may drop something that has to come in, or to pass: an accept elsewhere would not help. */
export function droppingChains(ruleset: Ruleset, hook: Hook, { openings, passages }: Need): ChainName[] {
  const one = { hook, udpPort: null, oifname: "" };
  const packets: Omit<Packet, "family">[] =
    hook === "input"
      ? openings
          .filter(({ protocol }) => protocol === "udp")
          .map(({ port, link }) => ({ ...one, udpPort: port, iifname: link ?? OUTSIDE }))
      : passages.flatMap(({ from, to }) => [
          { ...one, iifname: from, oifname: to ?? OUTSIDE },
          { ...one, iifname: to ?? OUTSIDE, oifname: from },
        ]);
  return ruleset.chains.filter((base) => {
    if (base.hook !== hook) return false;
    const alone = { chains: [base, ...ruleset.chains.filter((chain) => chain.hook === undefined)] };
    return packets.some((packet) =>
      (["ip", "ip6"] as const).some(
        (family) => fateOf({ ...alone, rules: ruleset.rules }, { ...packet, family }).verdict !== "accept",
      ),
    );
  });
}
