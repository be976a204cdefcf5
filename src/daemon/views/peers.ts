import { WgmeshError } from "../../core/errors.ts";
import { isConnected } from "../../peers/connected.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeersView, PeerView } from "../../rpc/views/peers.ts";
import { DepartedPeers } from "../departedPeers.ts";
import type { ViewParts } from "./viewParts.ts";

export function peersView({ parts, node }: ViewParts): PeersView {
  const departed = new DepartedPeers(parts.clock);
  node.store.subscribe((event) => {
    if (event.type === "removed") departed.left(event.peer, event.reason);
    else if (event.type === "added") departed.back(event.peer.publicKey);
  });
  const viewOf = (peer: Peer): PeerView => {
    const actual = node.reconciler.actual(peer.publicKey);
    const lastHandshakeMs = Math.max(peer.lastHandshakeMs, actual?.lastHandshakeMs ?? 0);
    const connected = isConnected(lastHandshakeMs, parts.clock.wallMs());
    return {
      ...peer,
      lastHandshakeMs,
      // Where WireGuard really sends to: it follows a peer that roams.
      endpoint: actual?.endpoint ?? peer.endpoint,
      state: connected ? "connected" : lastHandshakeMs > 0 ? "idle" : "known",
      path: node.paths.get(peer.publicKey),
      rxBytes: actual?.rxBytes ?? 0,
      txBytes: actual?.txBytes ?? 0,
      latencyMs: node.pinger.latencyMs(peer.publicKey),
      health: node.health.stateOf(peer.publicKey),
    };
  };
  return {
    peers: () => node.store.list().map(viewOf),
    isActive: (peer) => node.store.isActive(peer),
    departed: () => departed.list(),
    ping: async (publicKey) => {
      const answer = await node.pinger.ping(publicKey);
      const peer = node.store.get(publicKey);
      if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `the peer has left: ${publicKey}`);
      return {
        peer: viewOf(peer),
        rttMs: answer?.milliseconds ?? null,
        address: answer?.address ?? null,
      };
    },
  };
}
