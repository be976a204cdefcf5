/**
 * Whom to ask for an introduction (PROTOCOL.md section 7.2). Pure.
 */
import { endpointText, type PublicKey } from "../../core/types.ts";
import type { Peer } from "../../peers/peer.ts";
import { isPublicEndpoint } from "../../wire/candidates.ts";
import { pairSeed } from "../../wire/pairs.ts";

const ASK_AT_MOST = 3;

export interface IntroducerQuery {
  readonly ownKey: PublicKey;
  readonly target: PublicKey;
  readonly peers: readonly Peer[];
  /** Its control socket has answered us lately. */
  readonly answers: (peer: Peer) => boolean;
  /** Also nodes that are at no public address: they know fewer, and on a LAN nobody needs them. */
  readonly anybody: boolean;
}

/**
 * Nodes that say they introduce, then nodes of ours at a public address, then other nodes of ours: all of these answer. Go nodes that do
 * not say so never do (weak point 21). Within a group both ends begin at the same place of the same list.
 */
export function introducersFor({ ownKey, target, peers, answers, anybody }: IntroducerQuery): Peer[] {
  const able = peers.filter((peer) => {
    // Said first, since it is true of nearly all where a member invents a thousand peers.
    if (!peer.proven && !peer.introducer) return false;
    if (peer.publicKey === target || peer.publicKey === ownKey || peer.controlEndpoint === null) return false;
    const willing = peer.introducer
      ? peer.proven || isPublic(peer)
      : peer.proven && (anybody || isPublic(peer));
    return willing && answers(peer);
  });
  if (able.length === 0) return able;
  const seed = pairSeed(ownKey, target);
  const groups: Peer[][] = [[], [], []];
  for (const peer of able) groups[peer.introducer ? 0 : isPublic(peer) ? 1 : 2]?.push(peer);
  return groups.flatMap((group) => rotated(group, seed)).slice(0, ASK_AT_MOST);
}

function rotated(group: Peer[], seed: bigint): Peer[] {
  if (group.length === 0) return group;
  group.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
  const first = Number(seed % BigInt(group.length));
  return [...group.slice(first), ...group.slice(0, first)];
}

function isPublic({ endpoint, controlEndpoint }: Peer): boolean {
  if (endpoint === null || controlEndpoint === null) return false;
  return isPublicEndpoint(endpointText(endpoint)) && isPublicEndpoint(endpointText(controlEndpoint));
}
