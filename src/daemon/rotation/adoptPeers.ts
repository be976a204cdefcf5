/** The peers after the move: those of the next mesh, in the store that everybody looks at. */
import type { IpAddress, PublicKey } from "../../core/types.ts";
import type { Moving } from "../../mesh/moving.ts";
import type { Peer } from "../../peers/peer.ts";
import { isMention } from "../../peers/rank.ts";
import type { PeerStore } from "../../peers/store.ts";
import type { SecondMesh } from "./secondMesh.ts";

/**
 * Gives the peers that have the new secret their addresses of the next mesh, and removes the others. Connections that use the old addresses
 * go on until this daemon ends: what it returns keeps them.
 */
export function adoptPeers(store: PeerStore, second: Pick<SecondMesh, "has" | "holders">): Moving {
  const former = new Map<PublicKey, readonly IpAddress[]>();
  for (const peer of store.list()) {
    if (second.has(peer.publicKey)) {
      former.set(
        peer.publicKey,
        [peer.meshIp, peer.meshIpv6].filter((address) => address !== null),
      );
    } else {
      // No tombstone: one that was only late is taken back by the first member that has met it in this mesh, and a pair that is relayed
      // knows each other by the word of others alone. Of one that lacks the secret no member has a word: what is sealed with the old
      // secret is not read from here on, and nobody takes it along.
      store.remove(peer.publicKey, "left-behind");
    }
  }
  for (const peer of second.holders()) {
    store.observe(sightingOf(peer));
    store.noteHandshake(peer.publicKey, peer.lastHandshakeMs);
  }
  return {
    join: (known) => known,
    addressesOf: (publicKey) => former.get(publicKey) ?? [],
    // By now the key of the present mesh. Who was away but for a moment, and never left the interface, has the former one there, which
    // went by another name, and gets it in its place.
    presharedKeyOf: () => "next",
    settled: true,
  };
}

function sightingOf(peer: Peer): Parameters<PeerStore["observe"]>[0] {
  const method = [peer.endpointMethod, ...peer.methods].find((known) => !isMention(known)) ?? "dht";
  return {
    ...{ publicKey: peer.publicKey, method, hostname: peer.hostname, instance: peer.instance },
    ...(peer.meshIp === null ? {} : { meshIp: peer.meshIp }),
    ...(peer.meshIpv6 === null ? {} : { meshIpv6: peer.meshIpv6 }),
    ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
    ...(peer.controlEndpoint === null ? {} : { controlEndpoint: peer.controlEndpoint }),
    knowsUs: peer.knowsUs,
    proven: true,
  };
}
