/**
 * From desired and actual peers to the changes between them (row E2, second third). Pure.
 */
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { ActualPeer, PeerChange, WantedPeer } from "../wireguard/backend.ts";

/** What somebody else did to the interface since our last write. */
export interface ForeignChange {
  readonly publicKey: PublicKey;
  readonly what: "missing peer" | "unknown peer" | "allowed IPs" | "preshared key" | "keepalive";
}

export interface Difference {
  readonly changes: readonly PeerChange[];
  readonly foreign: readonly ForeignChange[];
}

/**
 * @param applied what was last written with success for each peer: tells a change of our mind from a change by others.
 *
 * An endpoint is written only when we changed our mind about it: WireGuard follows a peer that roams, and writing the old
 * address back would cut its tunnel. One that is pinned is written whenever it differs.
 */
export function difference(
  wanted: readonly WantedPeer[],
  actual: readonly ActualPeer[],
  applied: ReadonlyMap<PublicKey, WantedPeer>,
): Difference {
  const changes: PeerChange[] = [];
  const foreign: ForeignChange[] = [];
  const actualByKey = new Map<PublicKey, ActualPeer>();
  for (const peer of actual) actualByKey.set(peer.publicKey, peer);
  const wantedKeys = new Set<PublicKey>();

  for (const peer of wanted) {
    const present = actualByKey.get(peer.publicKey);
    const before = applied.get(peer.publicKey);
    wantedKeys.add(peer.publicKey);
    if (present === undefined) {
      changes.push({ kind: "add", peer });
      if (before !== undefined) foreign.push({ publicKey: peer.publicKey, what: "missing peer" });
      continue;
    }
    const change = changeOf(peer, present, before, foreign);
    if (change !== null) changes.push(change);
  }

  for (const { publicKey } of actual) {
    if (wantedKeys.has(publicKey)) continue;
    changes.push({ kind: "remove", publicKey });
    if (!applied.has(publicKey)) foreign.push({ publicKey, what: "unknown peer" });
  }
  return { changes, foreign };
}

function changeOf(
  wanted: WantedPeer,
  present: ActualPeer,
  before: WantedPeer | undefined,
  foreign: ForeignChange[],
): PeerChange | null {
  const { publicKey } = wanted;
  const keepalive = present.keepaliveSeconds !== wanted.keepaliveSeconds;
  const allowedIps = !sameSet(present.allowedIps, wanted.allowedIps);
  const lacksKey = !hasOurKey(present);
  // What a run before this one wrote is not known, and may be that of another secret. The running session stays; the next handshake takes
  // the new key.
  const presharedKey = lacksKey || before === undefined || before.presharedKey !== wanted.presharedKey;
  const endpoint = changedEndpoint(wanted, present, before);
  if (!keepalive && !allowedIps && !presharedKey && endpoint === null) return null;

  if (before !== undefined) {
    // Differs although we wrote just that: somebody else changed it.
    if (allowedIps && sameSet(before.allowedIps, wanted.allowedIps))
      foreign.push({ publicKey, what: "allowed IPs" });
    if (lacksKey) foreign.push({ publicKey, what: "preshared key" });
    if (keepalive && before.keepaliveSeconds === wanted.keepaliveSeconds)
      foreign.push({ publicKey, what: "keepalive" });
  }
  return {
    kind: "update",
    publicKey,
    ...(endpoint === null ? {} : { endpoint }),
    ...(allowedIps ? { allowedIps: wanted.allowedIps } : {}),
    ...(keepalive ? { keepaliveSeconds: wanted.keepaliveSeconds } : {}),
    ...(presharedKey ? { presharedKey: wanted.presharedKey ?? ("mesh" as const) } : {}),
  };
}

/** Which key it has is never read, only whether it is the one that we gave it. */
export const hasOurKey = ({ hasPresharedKey, presharedKeyChanged = false }: ActualPeer): boolean =>
  hasPresharedKey && !presharedKeyChanged;

function changedEndpoint(
  wanted: WantedPeer,
  present: ActualPeer,
  before: WantedPeer | undefined,
): Endpoint | null {
  if (wanted.endpoint === null) return null;
  // Also where WireGuard has roamed there already: the engine then follows nothing that is still in the bridge.
  if (before?.pinned === true && wanted.pinned !== true) return wanted.endpoint;
  if (sameEndpoint(wanted.endpoint, present.endpoint)) return null;
  const decided = before !== undefined && sameEndpoint(wanted.endpoint, before.endpoint);
  return decided && wanted.pinned !== true ? null : wanted.endpoint;
}

function sameEndpoint(a: Endpoint | null, b: Endpoint | null): boolean {
  return a === b || (a !== null && b !== null && a.port === b.port && a.host === b.host);
}

/** Order does not count; the common case, equal order, is found without sorting. */
function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  if (a.every((entry, index) => entry === b[index])) return true;
  const members = new Set(a);
  return members.size === a.length && b.every((entry) => members.has(entry));
}
