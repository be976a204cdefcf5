/** What a message says of others goes to the store. */
import type { Endpoint } from "../core/types.ts";
import type { DiscoveryMethod } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Mention } from "../wire/types.ts";
import { sourceKey } from "./rateLimiter.ts";
import type { Underlay } from "./seams.ts";
import { mentionSighting } from "./sightings.ts";

/**
 * Stores those that are mentioned; true when one of them is new. `stranger` is where the teller spoke from, null for one that has a
 * tunnel to us: what a stranger tells of is limited (peers/room.ts).
 */
export function storeMentions(
  { store, underlay }: { readonly store: PeerStore; readonly underlay: Underlay },
  mentions: readonly Mention[],
  method: DiscoveryMethod,
  stranger: Endpoint | null,
): boolean {
  const source = stranger === null ? "" : sourceKey(stranger.host);
  let news = false;
  for (const known of mentions) {
    const isNew = store.get(known.publicKey) === undefined;
    // Said here too, since the rest is work, and a member can mention 100,000.
    if (isNew && store.isFull) continue;
    const peer = store.observe(mentionSighting(known, method, (ip) => underlay.isInsideMesh(ip), source));
    if (isNew && peer) news = true;
  }
  return news;
}
