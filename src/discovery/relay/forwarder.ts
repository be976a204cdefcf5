/**
 * Reaches nodes of the other implementation through one of its introducers, which decrypts and forwards: only with
 * `--allow-plaintext-relay`. Without it such a peer is named as unreachable, with the reason.
 *
 * The peer keeps an entry of its own, without addresses, so that a direct handshake ends it (weak point 20; mesh/desired.ts). We take
 * the introducer that the peer itself takes towards us, since WireGuard drops what comes from another one (weak point 19).
 */
import { nextBeat } from "../../core/beat.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { PublicKey } from "../../core/types.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { PathTable } from "../../peers/paths.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeerStore } from "../../peers/store.ts";
import { decideGoRelay, GoRelayHold, goRelayOf } from "./goRelay.ts";

export interface ForwarderOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly paths: PathTable;
  /** `--introducer-key`; empty trusts all. */
  readonly trusted: readonly PublicKey[];
  readonly forced: boolean;
  /** `--allow-plaintext-relay` */
  readonly allowed: boolean;
  /** True for an address in a network of one of our own links. */
  isLocal(host: string): boolean;
}

const CANDIDATE_AGE_MS = 90_000;

const REFUSED =
  "direct handshakes fail, and its relays can read what they forward (--allow-plaintext-relay permits that)";

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #holds = new Map<PublicKey, GoRelayHold>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** The body of its task: a beat is as long as a cycle of the other implementation (PROTOCOL.md section 12). */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await nextBeat(this.#options.clock, signal);
        this.cycle();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  cycle(): void {
    const peers = this.#options.store.list();
    const foreign = peers.filter((peer) => this.#isForeign(peer));
    for (const publicKey of [...this.#holds.keys()])
      if (!foreign.some((peer) => peer.publicKey === publicKey)) this.#leave(publicKey);
    if (foreign.length === 0) return;
    const relays = peers.filter((peer) => this.#mayForward(peer));
    for (const peer of foreign) this.#decide(peer, relays);
  }

  /** It speaks, and never as ours do; or it was found to be such when a sealed relay was asked for. */
  #isForeign(peer: Peer): boolean {
    const isOther = peer.instance === "" && !peer.proven && peer.meshIp !== null;
    const { kind } = this.#options.paths.get(peer.publicKey);
    return isOther && (peer.lastSeenMs > 0 || kind === "impossible" || kind === "forwarded");
  }

  #mayForward(peer: Peer): boolean {
    const { clock, trusted } = this.#options;
    const isFresh = clock.wallMs() - Math.max(peer.lastSeenMs, peer.lastHandshakeMs) < CANDIDATE_AGE_MS;
    const isTrusted = trusted.length === 0 || trusted.includes(peer.publicKey);
    return peer.introducer && peer.endpoint !== null && isFresh && isTrusted;
  }

  #decide(peer: Peer, relays: readonly Peer[]): void {
    const { clock, self, forced, allowed, isLocal, paths, log } = this.#options;
    const { publicKey } = peer;
    const candidates = relays.map((relay) => relay.publicKey).filter((key) => key !== publicKey);
    const hold = this.#holds.get(publicKey) ?? new GoRelayHold();
    this.#holds.set(publicKey, hold);
    const decision = hold.next(
      decideGoRelay({
        weIntroduce: self.snapshot.introducer,
        peerIntroduces: peer.introducer,
        methods: peer.methods,
        isLocal: peer.endpoint !== null && isLocal(peer.endpoint.host),
        isIpv6: peer.endpoint?.host.includes(":") ?? false,
        forced: forced && allowed,
        candidates: candidates.length,
        handshakeAgeSeconds:
          peer.lastHandshakeMs === 0 ? null : (clock.wallMs() - peer.lastHandshakeMs) / 1000,
        localNat: self.snapshot.natType,
        peerNat: peer.natType,
      }),
    );
    const relay = decision === "relay" ? goRelayOf(publicKey, self.snapshot.publicKey, candidates) : null;
    const before = paths.get(publicKey);
    if (relay === null) {
      if (decision === "direct") this.#takeBack(publicKey);
    } else if (!allowed) {
      if (before.kind !== "impossible") log.warn({ peer: publicKey, reason: REFUSED }, "no path to a peer");
      paths.set(publicKey, { kind: "impossible", reason: REFUSED });
    } else {
      if (before.kind !== "forwarded")
        log.warn({ peer: publicKey, relay }, "peer is reached through a relay that can read its packets");
      paths.set(publicKey, { kind: "forwarded", via: relay });
    }
  }

  #leave(publicKey: PublicKey): void {
    this.#holds.delete(publicKey);
    this.#takeBack(publicKey);
  }

  /** Only what was set here. */
  #takeBack(publicKey: PublicKey): void {
    const { paths } = this.#options;
    const path = paths.get(publicKey);
    const isOurs = path.kind === "forwarded" || (path.kind === "impossible" && path.reason === REFUSED);
    if (isOurs) paths.set(publicKey, { kind: "direct", endpoint: null });
  }
}
