/** What a message says of others goes to the store. */
import type { Endpoint } from "../core/types.ts";
import type { DiscoveryMethod } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Announcement } from "../wire/types.ts";
import { sourceKey } from "./rateLimiter.ts";
import type { Underlay } from "./seams.ts";
import { mentionSighting } from "./sightings.ts";

/** What came of mentions. */
export interface Stored {
  /** One of them is new. */
  readonly news: boolean;
  /** For one that would be new there is no place among many strangers, until these have shaken hands. */
  readonly noPlace: boolean;
}

/**
 * Stores those that an announcement mentions. `stranger` is where the teller spoke from, null for one
 * that has a tunnel to us, which may tell of more (peers/room.ts).
 */
export function storeMentions(
  { store, underlay }: { readonly store: PeerStore; readonly underlay: Underlay },
  { knownPeers, publicKey: teller }: Announcement,
  method: DiscoveryMethod,
  stranger: Endpoint | null,
): Stored {
  const from =
    stranger === null
      ? { source: teller, tunnel: true }
      : { source: sourceKey(stranger.host), tunnel: false };
  const isInside = (ip: string): boolean => underlay.isInsideMesh(ip);
  let news = false;
  let noPlace = false;
  for (const known of knownPeers) {
    const isNew = store.get(known.publicKey) === undefined;
    // Said here too, since the rest is work, and a member can mention 100,000.
    if (isNew && store.isFull) continue;
    const peer = store.observe(mentionSighting(known, method, isInside, from));
    if (isNew && peer) news = true;
    if (isNew && !peer && store.isCrowded) noPlace = true;
  }
  return { news, noPlace };
}
