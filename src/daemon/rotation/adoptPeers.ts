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
export function adoptPeers(store: PeerStore, second: SecondMesh): Moving {
  const former = new Map<PublicKey, readonly IpAddress[]>();
  for (const peer of store.list()) {
    if (second.has(peer.publicKey)) {
      former.set(
        peer.publicKey,
        [peer.meshIp, peer.meshIpv6].filter((address) => address !== null),
      );
    } else store.remove(peer.publicKey, "evicted");
  }
  for (const peer of second.holders()) {
    store.observe(sightingOf(peer));
    store.noteHandshake(peer.publicKey, peer.lastHandshakeMs);
  }
  return {
    join: (known) => known,
    addressesOf: (publicKey) => former.get(publicKey) ?? [],
    presharedKeyOf: () => undefined,
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
