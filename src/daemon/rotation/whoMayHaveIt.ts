/** Whom to ask in the next mesh, out of the peers of the present one. */
import { isConnected } from "../../peers/connected.ts";
import type { Peer } from "../../peers/peer.ts";
import { isMention } from "../../peers/rank.ts";

/**
 * Nodes of this implementation, and after them those that may be: a pair that is relayed has often not spoken with each other but through
 * WireGuard, and knows the other by mentions alone, which do not tell. Only what has a tunnel counts there, since mentions can be
 * invented. Go peers, which have spoken and told no run, cannot have the new secret while they run.
 *
 * @param nowMs Unix time
 */
export function whoMayHaveIt(peers: readonly Peer[], nowMs: number): Peer[] {
  const ours = peers.filter(({ instance }) => instance !== "");
  const unheard = peers.filter(
    ({ instance, methods, lastHandshakeMs }) =>
      instance === "" && methods.every(isMention) && isConnected(lastHandshakeMs, nowMs),
  );
  return [...ours, ...unheard];
}
