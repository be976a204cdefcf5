import { WgmeshError } from "../core/errors.ts";
import { parsePublicKey } from "../core/types.ts";
import type { PeerResult, RpcClient } from "../rpc/client.ts";

/**
 * The peer of that key, mesh address or host name. The daemon looks up keys, also of silent peers; addresses and names are looked
 * up among the active ones here. Rejects with ERR_PEER_UNKNOWN, or ERR_USAGE when several have the name.
 */
export async function findPeer(client: RpcClient, wanted: string): Promise<PeerResult> {
  if (parsePublicKey(wanted) !== null) return client.call("peers.get", { pubkey: wanted });
  const { peers } = await client.call("peers.list");
  const found = peers.filter((peer) => [peer.mesh_ip, peer.mesh_ipv6, peer.hostname].includes(wanted));
  const [first] = found;
  if (first === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${wanted}`);
  if (found.length > 1) {
    throw new WgmeshError("ERR_USAGE", `${found.length} peers are called ${wanted}`, {
      hint: "give the public key",
    });
  }
  return first;
}
