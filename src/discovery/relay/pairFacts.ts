/** What a {@link RelayPair} is told at each tick, and what it wants done. */
import type { Clock } from "../../core/clock.ts";
import type { Endpoint, PublicKey } from "../../core/types.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeerStore } from "../../peers/store.ts";
import type { SwitchStep } from "../../wire/relay.ts";
import { orderRelays } from "./choice.ts";
import type { BridgeTraffic } from "./plane.ts";
import type { RelaySession } from "./session.ts";

/** So long direct handshakes have the first chance. */
export const PATIENCE_MS = 5_000;
/** On a LAN nothing is between; its nodes may only have too much to do when all of them start at once. */
const LAN_PATIENCE_MS = 12_000;

export interface PairFacts {
  /** Age of the newest WireGuard handshake in milliseconds; Infinity for never. */
  readonly handshakeAgeMs: number;
  /** Since anybody heard the peer, milliseconds; Infinity for never. */
  readonly heardAgoMs: number;
  /** Nothing direct is to be hoped for: both behind symmetric NATs, or the operator wants a relay. */
  readonly hopeless: boolean;
  /** It was heard on our own LAN. */
  readonly onLan: boolean;
  /** A direct path is not wanted (`--force-relay`). */
  readonly forced: boolean;
  /** Those that may relay now, in the order of choice.ts. */
  readonly relays: readonly PublicKey[];
  /** There is one of them. */
  readonly hasRelays: boolean;
  /** Totals of a session's bridge. */
  traffic(session: string): BridgeTraffic | null;
}

export type PairEffect =
  | { readonly do: "ask"; readonly relay: PublicKey }
  | { readonly do: "close"; readonly session: RelaySession; readonly tell: boolean }
  | { readonly do: "echo"; readonly session: RelaySession }
  | { readonly do: "deliver"; readonly session: RelaySession; readonly on: boolean }
  | { readonly do: "switch"; readonly session: RelaySession; readonly step: SwitchStep }
  | { readonly do: "relayed"; readonly session: RelaySession }
  | { readonly do: "direct"; readonly endpoint: Endpoint | null }
  | { readonly do: "impossible"; readonly reason: string }
  /** Nobody has heard of the peer since it was lost. */
  | { readonly do: "silent" };

/** How long direct handshakes have the first chance, milliseconds. `wasLost`: there was a path before. */
export function patienceFor({ hopeless, onLan }: PairFacts, wasLost: boolean): number {
  if (hopeless) return 0;
  return onLan && !wasLost ? LAN_PATIENCE_MS : PATIENCE_MS;
}

interface Node {
  readonly clock: Clock;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly forced: boolean;
}

interface Known {
  readonly publicKey: PublicKey;
  /** Nodes that may relay. */
  readonly usable: readonly Peer[];
  /** Those that give no answer are asked last. */
  readonly silent: ReadonlySet<PublicKey>;
  readonly traffic: PairFacts["traffic"];
}

/** What is known of the peer now. */
export function pairFacts(
  { clock, forced, self, store }: Node,
  { publicKey, silent, traffic, usable }: Known,
): PairFacts {
  const peer = store.get(publicKey);
  const atMs = peer?.lastHandshakeMs ?? 0;
  let relays: readonly PublicKey[] | null = null;
  const isForced = forced && peer !== undefined && !peer.relays && !peer.methods.includes("lan");
  return {
    handshakeAgeMs: atMs === 0 ? Number.POSITIVE_INFINITY : Math.max(0, clock.wallMs() - atMs),
    heardAgoMs: store.heardAgoMs(publicKey),
    hopeless: isForced || (self.snapshot.natType === "symmetric" && peer?.natType === "symmetric"),
    onLan: peer?.endpointMethod === "lan",
    forced: isForced,
    /** Ordered when asked for: most pairs need none. */
    get relays() {
      if (relays !== null) return relays;
      const keys = usable.map((relay) => relay.publicKey).filter((key) => key !== publicKey);
      const ordered = orderRelays(self.snapshot.publicKey, publicKey, keys);
      relays = [...ordered.filter((key) => !silent.has(key)), ...ordered.filter((key) => silent.has(key))];
      return relays;
    },
    get hasRelays() {
      return usable.some((relay) => relay.publicKey !== publicKey);
    },
    traffic,
  };
}

/** A node of another implementation. */
export const isForeign = (peer: Peer): boolean => peer.lastSeenMs > 0 && peer.instance === "" && !peer.proven;
