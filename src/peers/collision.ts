/**
 * Mesh addresses that two nodes claim (row E5, PROTOCOL.md section 2.4; weak point 26: the Go node never looks at its own). Pure: both
 * ends call {@link keepsAddress} with the same two claimants and come to the same end.
 *
 * Why both agree though messages are lost, late and repeated: what decides is the keys, which never change, and one flag each, which
 * while an address is held only goes from false to true. So an end knows the other as it is or was. Say A has the lower key. A yields
 * only to a B it knows as settled while A is not; B yields when it is not settled, or knows A as settled. If A yielded first, B was
 * settled by then and never heard of A as settled, so B keeps the address. If B yielded first, it was not settled and will not be there.
 * That both keep it can last only until each has heard the other's newest word.
 */
import type { IpAddress, PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "./addresses.ts";
import { type AddressFamily, addressOf, MAX_NONCE } from "./derivedAddresses.ts";

/** A node that says it has the address. */
export interface Claimant {
  readonly publicKey: PublicKey;
  /** A node of this implementation, by a proof. Others never move, and know the rule of the lower key alone. */
  readonly ours: boolean;
  /** By its own word: it lived at its addresses with others before anybody contested them. */
  readonly settled: boolean;
  /** The address follows from its key; else it was only the first there. */
  readonly derived: boolean;
}

/**
 * Whether the first keeps the address; the other one does exactly when this is false. Who derives the address goes before who merely has it, as
 * everywhere (peers/addressPolicy.ts). Then, among ours, who is settled: a lower key with the same address can be ground in
 * a second, and must not take it from who lives there. Then the lower key text, in byte order.
 */
export function keepsAddress(one: Claimant, other: Claimant): boolean {
  if (one.derived !== other.derived) return one.derived;
  if (one.ours && other.ours && one.settled !== other.settled) return one.settled;
  return one.publicKey < other.publicKey;
}

/** Another node's claim to an address of ours, as the peer store hears it. */
export interface Rival {
  readonly publicKey: PublicKey;
  readonly family: AddressFamily;
  readonly address: IpAddress;
  /** "" or absent for nodes that are not ours. */
  readonly instance?: string | undefined;
  readonly proven?: boolean | undefined;
  readonly settled?: boolean | undefined;
}

/** Beyond the nonces that follow from the key by everybody's rules: taken as the first there, which `--strict-addresses` refuses. */
const MAX_PINNED_NONCE = 250;

export interface Search {
  readonly publicKey: PublicKey;
  readonly family: AddressFamily;
  readonly derivation: AddressDerivation;
  /** `--strict-addresses`: only what follows from the key. */
  readonly strict: boolean;
  /** Somebody has it, or claimed it. */
  isTaken(address: IpAddress): boolean;
}

/** Where the loser goes: the first of its addresses that nobody has. Null when all are taken, as in a network that is full. */
export function nextAddress({ publicKey, family, derivation, strict, isTaken }: Search): IpAddress | null {
  for (let nonce = 0; nonce <= (strict ? MAX_NONCE : MAX_PINNED_NONCE); nonce += 1) {
    const address = addressOf(derivation, publicKey, family, nonce);
    if (address !== null && !isTaken(address)) return address;
  }
  return null;
}

/** For so long a node must have had a tunnel, and nobody contest its addresses, until it is settled: others would have been heard by then. */
export const SETTLE_MS = 10_000;

/** When a node becomes settled. Times are monotonic milliseconds. */
export interface Settling {
  readonly settled: boolean;
  /** Since when a tunnel works and nobody contests; null without one. */
  readonly quietSinceMs: number | null;
}

export type SettlingEvent =
  /** Whether any tunnel works. */
  | { readonly type: "tunnels"; readonly up: boolean }
  /** Another node claims an address of ours. */
  | { readonly type: "contested" }
  /** We took another address. */
  | { readonly type: "moved" }
  | { readonly type: "time" };

export const UNSETTLED: Settling = Object.freeze({ settled: false, quietSinceMs: null });

/** Once true `settled` stays so until the node moves or starts anew, whatever becomes of its tunnels: the proof above needs it. */
export function settle(state: Settling, event: SettlingEvent, nowMs: number): Settling {
  const quietSinceMs = state.quietSinceMs;
  switch (event.type) {
    case "moved":
      return { settled: false, quietSinceMs: quietSinceMs === null ? null : nowMs };
    case "contested":
      return state.settled || quietSinceMs === null ? state : { settled: false, quietSinceMs: nowMs };
    case "tunnels":
      return event.up === (quietSinceMs !== null)
        ? state
        : { ...state, quietSinceMs: event.up ? nowMs : null };
    case "time": {
      const isDue = quietSinceMs !== null && nowMs - quietSinceMs >= SETTLE_MS;
      return isDue && !state.settled ? { ...state, settled: true } : state;
    }
  }
}

/** When the node becomes settled if nothing happens; null when it is, or no tunnel works. */
export function settlesAtMs({ settled, quietSinceMs }: Settling): number | null {
  return settled || quietSinceMs === null ? null : quietSinceMs + SETTLE_MS;
}
