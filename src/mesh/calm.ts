/**
 * Whether the device may be left as it is: it shows what it showed when nothing was to be done, and nothing was asked for since.
 */
import type { Clock } from "../core/clock.ts";
import { isConnected } from "../peers/connected.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { ActualDevice } from "../wireguard/backend.ts";

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
  #picture: string | null = null;
  #untilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** With the device as it is, nothing was to be done. */
  begin(device: ActualDevice): void {
    this.#picture = pictureOf(device, this.#clock.wallMs());
    this.#untilMs = this.#clock.monotonicMs() + CALM_MS;
  }

  /** Something may be to be done, whatever the device shows. */
  end(): void {
    this.#picture = null;
  }

  holds(device: ActualDevice): boolean {
    if (this.#picture === null || this.#clock.monotonicMs() >= this.#untilMs) return false;
    return this.#picture === pictureOf(device, this.#clock.wallMs());
  }
}

/** All that others can change, traffic and handshakes left out. Null while a peer has no session: its handshake is to be watched. */
function pictureOf({ publicKey, listenPort, fwmark, peers }: ActualDevice, wallMs: number): string | null {
  const parts: (string | number | null)[] = [publicKey, listenPort, fwmark];
  for (const peer of peers) {
    if (!isConnected(peer.lastHandshakeMs, wallMs)) return null;
    const { endpoint, allowedIps, keepaliveSeconds, hasPresharedKey } = peer;
    parts.push(peer.publicKey, endpoint?.host ?? "", endpoint?.port ?? 0, allowedIps.join(" "));
    parts.push(keepaliveSeconds, hasPresharedKey ? 1 : 0);
  }
  return parts.join();
}

export function isRelevant(event: PeerEvent): boolean {
  return event.type !== "updated" || RELEVANT.some((member) => event.changed.has(member));
}
