/**
 * Whether the device may be left as it is: it shows what it showed when nothing was to be done, and nothing was asked for since.
 */
import type { Clock } from "../core/clock.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { ActualDevice, ActualPeer } from "../wireguard/backend.ts";
import { hasOurKey } from "./difference.ts";

/** What comes due by time alone is looked at this often: learned MTUs, turns of crowds. */
const CALM_MS = 30_000;

/** A change of these makes the interface differ from what is wanted, or starts a handshake's clock. */
const RELEVANT: readonly (keyof Peer)[] = [
  "meshIp",
  "meshIpv6",
  "endpoint",
  "networks",
  "exitNode",
  "proven",
  "knowsUs",
  "instance",
];

export class Calm {
  readonly #clock: Clock;
  #seen: ActualDevice | null = null;
  #untilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** With the device as it is, nothing was to be done. */
  begin(device: ActualDevice): void {
    this.#seen = this.#allConnected(device) ? device : null;
    this.#untilMs = this.#clock.monotonicMs() + CALM_MS;
  }

  /** Something may be to be done, whatever the device shows. */
  end(): void {
    this.#seen = null;
  }

  holds(device: ActualDevice): boolean {
    if (this.#seen === null || this.#clock.monotonicMs() >= this.#untilMs) return false;
    return isSame(this.#seen, device) && this.#allConnected(device);
  }

  /** While a peer has no session, its handshake is to be watched. */
  #allConnected({ peers }: ActualDevice): boolean {
    const wallMs = this.#clock.wallMs();
    return peers.every(({ lastHandshakeMs }) => isConnected(lastHandshakeMs, wallMs));
  }
}

/** In all that others can change, traffic and handshakes left out. Asked with each look, of every peer. */
function isSame(one: ActualDevice, other: ActualDevice): boolean {
  return (
    one.publicKey === other.publicKey &&
    one.listenPort === other.listenPort &&
    one.fwmark === other.fwmark &&
    one.peers.length === other.peers.length &&
    one.peers.every((peer, index) => isSamePeer(peer, other.peers[index] as ActualPeer))
  );
}

function isSamePeer(one: ActualPeer, other: ActualPeer): boolean {
  if (one === other) return true;
  return (
    one.publicKey === other.publicKey &&
    one.keepaliveSeconds === other.keepaliveSeconds &&
    hasOurKey(one) === hasOurKey(other) &&
    one.endpoint?.host === other.endpoint?.host &&
    one.endpoint?.port === other.endpoint?.port &&
    one.allowedIps.length === other.allowedIps.length &&
    one.allowedIps.every((ip, index) => ip === other.allowedIps[index])
  );
}

export function isRelevant(event: PeerEvent): boolean {
  return event.type !== "updated" || RELEVANT.some((member) => event.changed.has(member));
}
