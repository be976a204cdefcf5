/**
 * When and through whom a node of the other implementation is reached by a relay that reads what it forwards (PROTOCOL.md section
 * 11.1, steps 3 and 4). Pure.
 */
import type { PublicKey } from "../../core/types.ts";
import type { DiscoveryMethod, NatType } from "../../peers/peer.ts";
import { fnv1a64 } from "../../wire/pairs.ts";

/** PROTOCOL.md section 12: a handshake older than this is stale. */
const STALE_SECONDS = 150;

export interface GoRelayFacts {
  readonly weIntroduce: boolean;
  readonly peerIntroduces: boolean;
  readonly methods: readonly DiscoveryMethod[];
  /** The peer's endpoint is an address of one of our own networks. */
  readonly isLocal: boolean;
  readonly isIpv6: boolean;
  readonly forced: boolean;
  /** How many may relay now. */
  readonly candidates: number;
  /** Null when there never was one. */
  readonly handshakeAgeSeconds: number | null;
  readonly localNat: NatType;
  readonly peerNat: NatType;
}

/** The first rule of the table that applies (PROTOCOL.md section 11.1, step 3). */
export function decideGoRelay(facts: GoRelayFacts): "direct" | "relay" {
  if (facts.weIntroduce || facts.peerIntroduces) return "direct";
  if (facts.isLocal || facts.methods.includes("lan")) return "direct";
  if (facts.candidates === 0) return "direct";
  if (facts.forced) return "relay";
  if (facts.handshakeAgeSeconds !== null)
    return facts.handshakeAgeSeconds < STALE_SECONDS ? "direct" : "relay";
  if (facts.isIpv6) return "direct";
  if (facts.localNat === "symmetric" && facts.peerNat === "symmetric") return "relay";
  return facts.methods.includes("dht-transitive") ? "relay" : "direct";
}

/** The relay that `from` takes towards `to`: it depends on the order of the two (step 4). */
export function goRelayOf(
  from: PublicKey,
  to: PublicKey,
  candidates: readonly PublicKey[],
): PublicKey | null {
  const sorted = [...candidates].sort();
  if (sorted.length === 0) return null;
  return sorted[Number(fnv1a64(from, to) % BigInt(sorted.length))] ?? null;
}

/** Cycles that have to say "direct" before a relay is left (section 12). */
const HOLD_CYCLES = 3;

/** One peer's decisions over time: a relay is taken at once, and left after three cycles in a row. */
export class GoRelayHold {
  #relayed = false;
  #directInARow = 0;

  next(decision: "direct" | "relay"): "direct" | "relay" {
    this.#directInARow = decision === "direct" ? this.#directInARow + 1 : 0;
    this.#relayed = decision === "relay" || (this.#relayed && this.#directInARow < HOLD_CYCLES);
    return this.#relayed ? "relay" : "direct";
  }
}
