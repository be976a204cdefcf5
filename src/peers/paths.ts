/**
 * How each peer is reached: the one place that says so (row D6). The relay and the hole punching write, the reconciler makes it
 * true on the interface, `status` and `peers` show it.
 */
import type { Endpoint, PublicKey } from "../core/types.ts";

/** `endpoint` of the bridges is a socket of ours on the loopback, which passes packets on. */
export type PeerPath =
  /** Straight to the peer: to `endpoint` or, when that is null, where the store says it is. */
  | { readonly kind: "direct"; readonly endpoint: Endpoint | null }
  /** Through a node of ours that passes on sealed packets and cannot read them. */
  | { readonly kind: "relayed"; readonly via: PublicKey; readonly endpoint: Endpoint }
  /** Straight to the peer, but from another socket than WireGuard's: a hole that was punched by many sockets. */
  | { readonly kind: "bridged"; readonly endpoint: Endpoint }
  /** Through the tunnel to another node, which reads the packets and forwards them (PROTOCOL.md section 11.1). */
  | { readonly kind: "forwarded"; readonly via: PublicKey }
  | { readonly kind: "impossible"; readonly reason: string }
  /** Nobody hears it any more: it is gone, as far as anybody knows. `reason` says since when. */
  | { readonly kind: "silent"; readonly reason: string };

/** What is noticed of a peer's path by those who do not decide on it. */
export type PathReport =
  /** Nothing comes back through its tunnel, though its session is young. */
  | { readonly kind: "silent"; readonly publicKey: PublicKey }
  /** It was silent, and is no more. */
  | { readonly kind: "heard"; readonly publicKey: PublicKey }
  /** A datagram went to the peer and back; said for each. `endpoint` is where WireGuard would send to. */
  | { readonly kind: "punch-answered"; readonly publicKey: PublicKey; readonly endpoint: Endpoint }
  | { readonly kind: "punch-failed"; readonly publicKey: PublicKey; readonly reason: string };

type PathListener = (publicKey: PublicKey, path: PeerPath, before: PeerPath) => void;

const DIRECT: PeerPath = Object.freeze({ kind: "direct", endpoint: null });

export class PathTable {
  readonly #paths = new Map<PublicKey, PeerPath>();
  readonly #listeners = new Set<PathListener>();
  readonly #reportListeners = new Set<(report: PathReport) => void>();

  /** Direct, and to where the store says, for whom nothing else was set. */
  get(publicKey: PublicKey): PeerPath {
    return this.#paths.get(publicKey) ?? DIRECT;
  }

  /** Paths that are not the default. */
  entries(): IterableIterator<[PublicKey, PeerPath]> {
    return this.#paths.entries();
  }

  /** Listeners are called at once, and only when it differs. */
  set(publicKey: PublicKey, path: PeerPath): void {
    const before = this.get(publicKey);
    if (samePath(before, path)) return;
    if (samePath(path, DIRECT)) this.#paths.delete(publicKey);
    else this.#paths.set(publicKey, Object.freeze({ ...path }));
    for (const listener of [...this.#listeners]) listener(publicKey, path, before);
  }

  /** Of a peer that the store no longer holds. */
  forget(publicKey: PublicKey): void {
    this.set(publicKey, DIRECT);
  }

  /** Calls back after each change; the returned function ends that. */
  subscribe(listener: PathListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(report: PathReport): void {
    for (const listener of [...this.#reportListeners]) listener(report);
  }

  /** Calls back for each report; the returned function ends that. */
  onReport(listener: (report: PathReport) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }
}

/** A socket of ours on the loopback that the path goes through, or null: WireGuard must not roam away from it. */
export function bridgeOf(path: PeerPath): Endpoint | null {
  return path.kind === "relayed" || path.kind === "bridged" ? path.endpoint : null;
}

function samePath(a: PeerPath, b: PeerPath): boolean {
  return (
    a.kind === b.kind &&
    viaOf(a) === viaOf(b) &&
    sameEndpoint(endpointOf(a), endpointOf(b)) &&
    reasonOf(a) === reasonOf(b)
  );
}

/** The node between, or null. */
export function viaOf(path: PeerPath): PublicKey | null {
  return path.kind === "relayed" || path.kind === "forwarded" ? path.via : null;
}

/** Why there is no path, in a sentence for the operator; null when there is one. */
const reasonOf = (path: PeerPath): string | null => ("reason" in path ? path.reason : null);

function endpointOf(path: PeerPath): Endpoint | null {
  return "endpoint" in path ? path.endpoint : null;
}

function sameEndpoint(a: Endpoint | null, b: Endpoint | null): boolean {
  return a === b || (a !== null && b !== null && a.host === b.host && a.port === b.port);
}
