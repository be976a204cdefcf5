import type { Clock } from "../core/clock.ts";
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

/** Decides on the MTU of the interface; asks the kernel for paths only when they may have changed. */
export class MtuPolicy {
  readonly #options: MtuPolicyOptions;
  #hosts: ReadonlySet<string> = new Set();
  #state: MtuState | null = null;
  /** Bytes; null when nothing is known of any path. */
  #possible: number | null = null;
  /** Monotonic; null when the paths must be asked for. */
  #askedAtMs: number | null = null;

  constructor(options: MtuPolicyOptions) {
    this.#options = options;
  }

  /** To be told of every change of the host's network. */
  networkChanged(): void {
    this.#askedAtMs = null;
  }

  /** The MTU the interface is to have now, in bytes. @param hosts IP addresses of the peers' endpoints. */
  decide(hosts: ReadonlySet<string>): number {
    const { chosen, clock } = this.#options;
    if (chosen !== null) return chosen;
    const nowMs = clock.monotonicMs();
    const fresh = this.#askedAtMs !== null && nowMs - this.#askedAtMs < LOOK_AGAIN_MS;
    if (!fresh || !sameMembers(hosts, this.#hosts)) this.#ask(hosts, nowMs);
    // A guess is no decision: the first real path is taken at once, also a larger one. A network that is away for a while
    // changes nothing.
    if (this.#possible === null) return this.#state?.mtu ?? mtuForPaths([]);
    this.#state = stepMtu(this.#state, this.#possible, nowMs);
    return this.#state.mtu;
  }

  #ask(hosts: ReadonlySet<string>, nowMs: number): void {
    const toPeers = this.#pathMtus(hosts);
    const mtus = toPeers.length > 0 ? toPeers : this.#pathMtus(ELSEWHERE);
    this.#possible = mtus.length === 0 ? null : mtuForPaths(mtus);
    this.#hosts = new Set(hosts);
    this.#askedAtMs = nowMs;
  }

  /** A peer on this very host says nothing of the network. */
  #pathMtus(hosts: Iterable<string>): number[] {
    return [...hosts].flatMap((host) => {
      const path = this.#options.pathTo(host);
      const counts =
        path !== null && path.type === "unicast" && path.linkName !== this.#options.interfaceName;
      return counts ? [path.mtu] : [];
    });
  }
}

function sameMembers(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const member of a) if (!b.has(member)) return false;
  return true;
}
