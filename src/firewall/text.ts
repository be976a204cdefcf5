/** What is needed, for the kind of firewall that is asked for. Pure. */
import type { Ruleset } from "../doctor/ruleset.ts";
import { firewalldText } from "./firewalld.ts";
import { dockerFamilies, type Format } from "./found.ts";
import { iptablesText } from "./iptables.ts";
import type { Need } from "./need.ts";
import { nftText } from "./nft.ts";
import { ufwText } from "./ufw.ts";

/** @param ruleset of this machine; null where it could not be read. */
export function firewallText(format: Format, need: Need, ruleset: Ruleset | null): string {
  const docker = dockerFamilies(ruleset);
  switch (format) {
    case "nft":
      return nftText(need, ruleset);
    case "iptables":
      return iptablesText(need, docker);
    case "firewalld":
      return firewalldText(need, docker);
    case "ufw":
      return ufwText(need, docker);
  }
}
