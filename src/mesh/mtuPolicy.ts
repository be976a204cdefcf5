import type { Clock } from "../core/clock.ts";
import type { ActualDevice, WantedPeer } from "../wireguard/backend.ts";
import { type MtuState, mtuForPaths, stepMtu } from "./pathMtu.ts";

/** The way packets to an address take, as the kernel tells it. */
export interface Path {
  readonly linkName: string;
  /** Bytes. */
  readonly mtu: number;
  /** `unicast`, `local`, … */
  readonly type: string;
}

export interface MtuPolicyOptions {
  readonly clock: Clock;
  /** Our own interface: what leads into it is no path to a peer. */
  readonly interfaceName: string;
  /** Bytes, what the operator gave: nothing else counts then. Null leaves it to the paths. */
  readonly chosen: number | null;
  /** The path to an IP address, or null when there is none. Nothing is sent. */
  readonly pathTo: (host: string) => Path | null;
}

/**
 * A route lookup of an address that nobody has (RFC 5737, RFC 3849) finds the default route, in whichever table the
 * host's rules keep it.
 */
const ELSEWHERE = ["203.0.113.1", "2001:db8::1"];
/** Learned path MTUs appear and expire without an event. */
const LOOK_AGAIN_MS = 60_000;
/** Looking takes at most this share of the time, however many peers there are and however restless the network is. */
const BUSY_SHARE = 0.05;

/** Where bridges listen (wireguard/bridge). */
const BRIDGE_HOST = "127.0.0.1";

/** Decides on the MTU of the interface; asks the kernel for paths only when they may have changed. */
export class MtuPolicy {
  readonly #options: MtuPolicyOptions;
  /** Bytes by host; null where the path is none, or says nothing of the network. */
  #paths = new Map<string, number | null>();
  #state: MtuState | null = null;
  /** Monotonic times. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #askAgainFromMs = Number.NEGATIVE_INFINITY;
  #stale = true;

  constructor(options: MtuPolicyOptions) {
    this.#options = options;
  }

  /** Monotonic time from which a change of the network is looked into, or null when none waits. */
  get dueAtMs(): number | null {
    return this.#stale && this.#options.chosen === null && this.#state !== null ? this.#askAgainFromMs : null;
  }

  /** To be told of every change of the host's network. */
  networkChanged(): void {
    this.#stale = true;
  }

  /** The MTU the interface is to have now, in bytes. @param hosts IP addresses of the peers' endpoints. */
  decide(hosts: ReadonlySet<string>): number {
    const { chosen, clock } = this.#options;
    if (chosen !== null) return chosen;
    const startMs = clock.monotonicMs();
    const stale = this.#stale || startMs - this.#askedAtMs >= LOOK_AGAIN_MS;
    const again = stale && startMs >= this.#askAgainFromMs;
    const possible = this.#possible(hosts, again);
    if (again) {
      const nowMs = clock.monotonicMs();
      this.#stale = false;
      this.#askedAtMs = nowMs;
      this.#askAgainFromMs = nowMs + (nowMs - startMs) / BUSY_SHARE;
    }
    // A guess is no decision: the first real path is taken at once, also a larger one. A network that is away for a while
    // changes nothing.
    if (possible === null) return this.#state?.mtu ?? mtuForPaths([]);
    this.#state = stepMtu(this.#state, possible, startMs);
    return this.#state.mtu;
  }

  /** The largest MTU that all paths allow, or null when nothing is known of any. @param again asks for known ones, too. */
  #possible(hosts: ReadonlySet<string>, again: boolean): number | null {
    const before = again ? new Map<string, number | null>() : this.#paths;
    this.#paths = new Map();
    const mtus = (wanted: Iterable<string>): number[] => {
      for (const host of wanted) {
        const known = before.get(host);
        this.#paths.set(host, known === undefined ? this.#pathMtu(host) : known);
      }
      return [...this.#paths.values()].filter((mtu) => mtu !== null);
    };
    const toPeers = mtus(hosts);
    const all = toPeers.length > 0 ? toPeers : mtus(ELSEWHERE);
    return all.length === 0 ? null : mtuForPaths(all);
  }

  /** A way into our own interface is no path, and a peer on this very host says nothing of the network. */
  #pathMtu(host: string): number | null {
    const { pathTo, interfaceName } = this.#options;
    const path = pathTo(host);
    const counts = path !== null && path.type === "unicast" && path.linkName !== interfaceName;
    return counts ? path.mtu : null;
  }
}

/** Where peers are, or will be, sent to: IP addresses. Bridges of ours say nothing of the path behind them. */
export function endpointHosts(device: ActualDevice, wanted: readonly WantedPeer[]): Set<string> {
  const hosts = new Set<string>();
  for (const { endpoint } of device.peers) if (endpoint !== null) hosts.add(endpoint.host);
  for (const { endpoint } of wanted) if (endpoint !== null) hosts.add(endpoint.host);
  hosts.delete(BRIDGE_HOST);
  return hosts;
}
