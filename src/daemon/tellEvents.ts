/**
 * Turns what the peer store, the path table and the local node tell their listeners into events for operators (row G5).
 */
import type { EventData, Events } from "../core/events.ts";
import { endpointText, type PublicKey } from "../core/types.ts";
import { type LocalNode, ownEndpoint } from "../peers/localNode.ts";
import { type PathTable, type PeerPath, viaOf } from "../peers/paths.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";

export interface EventSources {
  readonly store: PeerStore;
  readonly paths: PathTable;
  readonly self: LocalNode;
}

/** What an operator would call a change of the peer, by the names of docs/rpc.md; the rest is bookkeeping. */
const SHOWN: Readonly<Partial<Record<keyof Peer, (peer: Peer) => EventData>>> = {
  hostname: ({ hostname }) => ({ hostname }),
  meshIp: ({ meshIp }) => ({ mesh_ip: meshIp }),
  meshIpv6: ({ meshIpv6 }) => ({ mesh_ipv6: meshIpv6 }),
  endpoint: ({ endpoint }) => ({ endpoint: endpoint && endpointText(endpoint) }),
  networks: ({ networks }) => ({ routable_networks: networks }),
  natType: ({ natType }) => ({ nat_type: natType }),
  introducer: ({ introducer }) => ({ introducer }),
  relays: ({ relays }) => ({ relays }),
  exitNode: ({ exitNode = false }) => ({ exit_node: exitNode }),
  proven: ({ proven }) => ({ proven }),
  instance: () => ({ restarted: true }),
};

/** For the life of the parts: they end together. Call it before others listen, so that causes are told before effects. */
export function tellEvents(events: Events, { store, paths, self }: EventSources): void {
  const connected = new Set<PublicKey>();
  store.subscribe((event) => tellPeer(events, connected, event));
  paths.subscribe((publicKey, path, before) => {
    const peer = store.get(publicKey);
    if (peer !== undefined) tellPath(events, peer, path, before);
  });
  tellEndpoint(events, self);
}

function tellPeer(events: Events, connected: Set<PublicKey>, event: PeerEvent): void {
  const { peer } = event;
  const { publicKey, meshIp, endpoint, methods } = peer;
  const subject = { peer: publicKey, hostname: peer.hostname };
  if (event.type === "removed") {
    const { reason } = event;
    if (connected.delete(publicKey)) events.emit("peer.disconnected", { ...subject, data: { reason } });
    events.emit("peer.removed", { ...subject, data: { reason, mesh_ip: meshIp } });
    return;
  }
  if (event.type === "added") {
    const data = {
      mesh_ip: meshIp,
      endpoint: endpoint && endpointText(endpoint),
      discovered_via: methods,
    };
    events.emit("peer.added", { ...subject, data });
    return;
  }
  // The store tells of handshakes only when the tunnel begins or ceases to be connected.
  if (event.changed.has("lastHandshakeMs")) tellConnection(events, connected, subject);
  const data = changesOf(event.before, peer, event.changed);
  if (Object.keys(data).length > 0) events.emit("peer.updated", { ...subject, data });
}

function tellConnection(
  events: Events,
  connected: Set<PublicKey>,
  subject: { readonly peer: PublicKey; readonly hostname: string },
): void {
  if (connected.delete(subject.peer)) {
    const data = { reason: "no handshake for 180 s" };
    events.emit("peer.disconnected", { ...subject, data });
  } else {
    connected.add(subject.peer);
    events.emit("peer.connected", subject);
  }
}

function changesOf(before: Peer | null, peer: Peer, changed: ReadonlySet<keyof Peer>): EventData {
  // The first word of a peer that others mentioned is no restart.
  const shown = [...changed].filter((name) => name !== "instance" || (before?.instance ?? "") !== "");
  return Object.assign({}, ...shown.map((name) => SHOWN[name]?.(peer))) as EventData;
}

function tellPath(events: Events, { publicKey, hostname }: Peer, path: PeerPath, before: PeerPath): void {
  const data = {
    from: before.kind,
    to: path.kind,
    relay: viaOf(path),
    reason: "reason" in path ? path.reason : null,
  };
  // Another address of the same kind of path is the business of WireGuard's endpoint.
  if (data.from === data.to && viaOf(before) === data.relay && data.reason === null) return;
  events.emit("peer.path", { peer: publicKey, hostname, data });
}

function tellEndpoint(events: Events, self: LocalNode): void {
  const shown = (): { to: string; natType: string } => ({
    to: endpointText(ownEndpoint(self.snapshot)),
    natType: self.snapshot.natType,
  });
  let last = shown();
  self.subscribe(() => {
    const now = shown();
    if (now.to === last.to && now.natType === last.natType) return;
    const data = { from: last.to, to: now.to, nat_type: now.natType };
    last = now;
    events.emit("endpoint.changed", { data });
  });
}
