import type { DiscoveryMethod } from "./peer.ts";

/**
 * How far an endpoint learned this way is trusted: the higher replaces the lower (PROTOCOL.md section 10). `static`, our
 * own for `--peer`, ranks between a punched path and a plain exchange: the operator named the address, but it is not
 * known to be the best one.
 */
export function endpointRank(method: string): number {
  if (method === "") return 0;
  if (method === "lan") return 100;
  if (method.includes("dht-rendezvous")) return 90;
  if (method === "static") return 80;
  if (method === "dht") return 70;
  if (method === "gossip") return 65;
  if (method.includes("dht-transitive")) return 40;
  if (method === "gossip-transitive") return 35;
  return method === "cache" ? 20 : 30;
}

/** True when the word is not the peer's own but a third party's, or a file's. */
export function isMention(method: DiscoveryMethod): boolean {
  return method === "dht-transitive" || method === "gossip-transitive" || method === "cache";
}
