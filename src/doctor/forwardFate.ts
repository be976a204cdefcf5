/** What the packet filter does with what the mesh sends to a network behind this node, and what lets it through. Pure. */
import { type Fate, fateOf, hasDocker, type Ruleset } from "./ruleset.ts";

export interface ForwardFate {
  readonly fate: Fate;
  /** `, as Docker sets it up`, or nothing. */
  readonly by: string;
  readonly remedy: string;
}

/** @param oifname the link that leads to the network */
export function forwardFate(
  ruleset: Ruleset,
  network: string,
  interfaceName: string,
  oifname: string,
): ForwardFate {
  const family = network.includes(":") ? "ip6" : "ip";
  const packet = { hook: "forward", family, udpPort: null, iifname: interfaceName, oifname } as const;
  const fate = fateOf(ruleset, packet);
  const docker = hasDocker(ruleset);
  const rule = docker
    ? `iptables -I DOCKER-USER -i ${interfaceName} -j ACCEPT; iptables -I DOCKER-USER -o ${interfaceName} -j ACCEPT`
    : `nft insert rule ${fate.chain} iifname ${interfaceName} accept (and oifname)`;
  return {
    fate,
    by: docker ? ", as Docker sets it up" : "",
    remedy: `let it through, such as by: ${rule}`,
  };
}
