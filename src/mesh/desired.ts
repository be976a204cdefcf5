/**
 * From what the store knows to what the interface should hold (row E2, first third). Pure, but for the memory of whose turn it is.
 */
import { ReadTexts, sameText } from "../core/texts.ts";
import type { Cidr, IpAddress, PublicKey } from "../core/types.ts";
import { isLiteral } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import { bridgeOf, type PeerPath } from "../peers/paths.ts";
import type { Peer } from "../peers/peer.ts";
import type { WantedPeer } from "../wireguard/backend.ts";
import type { Crowds } from "./crowds.ts";
import type { Moving } from "./moving.ts";

export interface DesiredInput {
  readonly peers: readonly Peer[];
  readonly own: {
    readonly publicKey: PublicKey;
    readonly meshIp: IpAddress;
    readonly meshIpv6: IpAddress | null;
  };
  readonly accepted: ReadonlyMap<PublicKey, readonly Cidr[]>;
  /** Seconds. 25 is what Go nodes use (PROTOCOL.md section 11.1). */
  readonly keepaliveSeconds: number;
  /** Unix time in milliseconds. */
  readonly nowMs: number;
  readonly pathTo: (publicKey: PublicKey) => PeerPath;
  /** Whose turn it is where many strangers are said to be at one address. */
  readonly crowds: Crowds;
  /** While the mesh moves to a new secret. */
  readonly moving?: Pick<Moving, "addressesOf" | "presharedKeyOf"> | null;
}

/**
 * One entry for each peer that has a mesh address, in the order of the store. A peer without endpoint is among them: it
 * can reach us, and WireGuard learns the endpoint from its first packet.
 *
 * What belongs to a peer that another node forwards to is with that node's entry, if it is among the peers; its own entry stays,
 * so that a direct handshake can still come about (weak point 20).
 */
export function desiredPeers(input: DesiredInput): WantedPeer[] {
  const holders = addressHolders(input);
  const wanted = new Map<PublicKey, WantedPeer>();
  const later = input.crowds.leftOut(input.peers, (peer) => strangersHost(peer, input), input.nowMs);
  for (const peer of input.peers) {
    if (peer.publicKey === input.own.publicKey || later.has(peer.publicKey)) continue;
    const addresses = addressesOf(peer, input).filter((address) => holders.get(address) === peer);
    if (addresses.length === 0) continue;
    const path = input.pathTo(peer.publicKey);
    wanted.set(peer.publicKey, {
      publicKey: peer.publicKey,
      ...endpointOn(path, peer),
      allowedIps: [...addresses.map(hostNetwork), ...(input.accepted.get(peer.publicKey) ?? [])],
      keepaliveSeconds: input.keepaliveSeconds,
      ...nextKey(input.moving?.presharedKeyOf(peer, input.nowMs)),
    });
  }
  for (const peer of [...wanted.values()]) forward(peer, input.pathTo(peer.publicKey), wanted);
  return [...wanted.values()];
}

const nextKey = (presharedKey: "next" | undefined): Pick<WantedPeer, "presharedKey"> =>
  presharedKey === undefined ? {} : { presharedKey };

/** Null for a bridge: it is a socket of our own, and has budgets of its own. */
function strangersHost(peer: Peer, input: DesiredInput): string | null {
  const path = input.pathTo(peer.publicKey);
  if (bridgeOf(path) !== null) return null;
  const chosen = path.kind === "direct" ? path.endpoint : null;
  return (chosen ?? peer.endpoint)?.host ?? null;
}

function endpointOn(path: PeerPath, peer: Peer): Pick<WantedPeer, "endpoint" | "pinned"> {
  const bridge = bridgeOf(path);
  if (bridge !== null) return { endpoint: bridge, pinned: true };
  const chosen = path.kind === "direct" ? path.endpoint : null;
  return { endpoint: chosen ?? literalEndpoint(peer) };
}

/** Moves the allowed IPs to the entry of the node that forwards. */
function forward(peer: WantedPeer, path: PeerPath, wanted: Map<PublicKey, WantedPeer>): void {
  const relay = path.kind === "forwarded" ? wanted.get(path.via) : undefined;
  if (relay === undefined || relay.publicKey === peer.publicKey) return;
  wanted.set(relay.publicKey, { ...relay, allowedIps: [...relay.allowedIps, ...peer.allowedIps] });
  wanted.set(peer.publicKey, { ...peer, allowedIps: [] });
}

/**
 * Who holds each address, since an allowed IP belongs to one peer only: a claimant with a live tunnel before one
 * without (a colliding lower key can be ground in a second), then the lower key (PROTOCOL.md section 2.4). Our own
 * addresses are in nobody's hands.
 */
function addressHolders(input: DesiredInput): Map<IpAddress, Peer> {
  const holders = new Map<IpAddress, Peer>();
  for (const peer of input.peers) {
    for (const address of addressesOf(peer, input)) {
      const holder = holders.get(address);
      if (holder === undefined || outranks(peer, holder, input.nowMs)) holders.set(address, peer);
    }
  }
  return holders;
}

function outranks(peer: Peer, holder: Peer, nowMs: number): boolean {
  const live = isConnected(peer.lastHandshakeMs, nowMs);
  if (live !== isConnected(holder.lastHandshakeMs, nowMs)) return live;
  return peer.publicKey < holder.publicKey;
}

function addressesOf(peer: Peer, { own, moving }: DesiredInput): IpAddress[] {
  const addresses: IpAddress[] = [];
  if (peer.meshIp !== null && peer.meshIp !== own.meshIp) addresses.push(peer.meshIp);
  // Without an IPv6 address of our own nothing of ours could answer to theirs.
  if (own.meshIpv6 !== null && peer.meshIpv6 !== null && peer.meshIpv6 !== own.meshIpv6)
    addresses.push(peer.meshIpv6);
  for (const address of moving?.addressesOf(peer.publicKey) ?? []) {
    if (!addresses.includes(address)) addresses.push(address);
  }
  return addresses;
}

/** WireGuard takes literals only; names are discovery's to resolve. */
function literalEndpoint(peer: Peer): Peer["endpoint"] {
  return peer.endpoint !== null && isLiteral(peer.endpoint) ? peer.endpoint : null;
}

/** Asked for each peer in each cycle. */
const hostNetworks = new ReadTexts<Cidr>();

const hostNetwork = (address: IpAddress): Cidr =>
  hostNetworks.get(address) ??
  hostNetworks.set(address, sameText(`${address}/${address.includes(":") ? 128 : 32}`) as Cidr);
