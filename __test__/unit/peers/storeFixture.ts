/** A store under a clock set by hand, and what it told; for the tests of the store. */
import type { PeerEvent, Sighting } from "../../../src/peers/peer.ts";
import { PeerStore, type PeerStoreOptions } from "../../../src/peers/store.ts";
import { keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";

/** Of the store. */
export const OWN = keyOf(9999);
const INSTANCE = "0123456789abcdef";

/** Each call of {@link open} makes new ones. */
export let clock: ManualClock;
export let store: PeerStore;
export let events: PeerEvent[];

/** An empty store, and nothing told yet. */
export function open(options: Partial<PeerStoreOptions> = {}): void {
  clock = new ManualClock();
  const base = { clock, ownKey: OWN, addresses: testDerivation, strictAddresses: false, noIpv6: false };
  store = new PeerStore({ ...base, ...options });
  events = [];
  store.subscribe((event) => events.push(event));
}

export const nowSeconds = (): number => Math.floor(clock.wallMs() / 1000);

/** What the peer itself says. */
export function word(number: number, change: Partial<Sighting> = {}): Sighting {
  return {
    publicKey: keyOf(number),
    method: "dht",
    instance: INSTANCE,
    sentAtSeconds: nowSeconds(),
    ...change,
  };
}

/** What another says of it. */
export function mention(number: number, change: Partial<Sighting> = {}): Sighting {
  return { publicKey: keyOf(number), method: "dht-transitive", ...change };
}

/** Type and changed fields of the events so far; forgets them. */
export function takeEvents(): string[] {
  return events
    .splice(0)
    .map((event) => (event.type === "updated" ? `updated ${[...event.changed].join(",")}` : event.type));
}
