import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { SESSION_LIFETIME_MS } from "../../../src/peers/connected.ts";
import type { Peer, PeerEvent, Sighting } from "../../../src/peers/peer.ts";
import {
  ACTIVE_MS,
  EXPIRE_MS,
  MAX_PEERS,
  PeerStore,
  type PeerStoreOptions,
} from "../../../src/peers/store.ts";
import { cidr, ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";
import { allMethods } from "../support/sightings.ts";

const OWN = keyOf(9999);
const INSTANCE = "0123456789abcdef";

let clock: ManualClock;
let store: PeerStore;
let events: PeerEvent[];

function open(options: Partial<PeerStoreOptions> = {}): void {
  clock = new ManualClock();
  const base = { clock, ownKey: OWN, addresses: testDerivation, strictAddresses: false, noIpv6: false };
  store = new PeerStore({ ...base, ...options });
  events = [];
  store.subscribe((event) => events.push(event));
}

beforeEach(() => open());

const nowSeconds = (): number => Math.floor(clock.wallMs() / 1000);

function word(number: number, change: Partial<Sighting> = {}): Sighting {
  return {
    publicKey: keyOf(number),
    method: "dht",
    instance: INSTANCE,
    sentAtSeconds: nowSeconds(),
    ...change,
  };
}

function mention(number: number, change: Partial<Sighting> = {}): Sighting {
  return { publicKey: keyOf(number), method: "dht-transitive", ...change };
}

/** Type and changed fields of the events so far; forgets them. */
function takeEvents(): string[] {
  return events
    .splice(0)
    .map((event) => (event.type === "updated" ? `updated ${[...event.changed].join(",")}` : event.type));
}

describe("ages of mentions", () => {
  test("add up along the way", () => {
    store.observe(mention(1, { ageSeconds: 100 }));
    clock.advance(20_000);
    expect(store.heardAgoMs(keyOf(1))).toBe(120_000);
    store.observe(mention(1, { ageSeconds: 200 }));
    expect(store.heardAgoMs(keyOf(1))).toBe(120_000);
    store.observe(mention(1, { ageSeconds: 3 }));
    expect(store.heardAgoMs(keyOf(1))).toBe(3_000);
    store.observe(word(1));
    expect(store.heardAgoMs(keyOf(1))).toBe(0);
  });

  test("never make a peer active, and nobody knows the age of a Go node's mention", () => {
    const peer = store.observe(mention(1, { ageSeconds: 1 })) as Peer;
    expect(store.isActive(peer)).toBe(false);
    store.observe(mention(2));
    expect(store.heardAgoMs(keyOf(2))).toBe(Number.POSITIVE_INFINITY);
    expect(store.heardAgoMs(keyOf(3))).toBe(Number.POSITIVE_INFINITY);
  });

  test("of five minutes and more say nothing", () => {
    expect(store.observe(mention(1, { ageSeconds: 300 }))).toBe(null);
    const peer = store.observe(word(2, { hostname: "" })) as Peer;
    expect(store.observe(mention(2, { ageSeconds: 300, hostname: "late" }))).toBe(peer);
  });

  test("let a peer expire ten minutes after anybody heard it last, however often it is mentioned", () => {
    store.observe(word(1));
    for (let seconds = 10; seconds <= 600; seconds += 10) {
      clock.advance(10_000);
      // Each teller adds what it held the news, so the age is the true one.
      store.observe(mention(1, { ageSeconds: seconds }));
      store.expire();
      expect(store.get(keyOf(1)), `${seconds} s`).toBeDefined();
    }
    clock.advance(1);
    store.expire();
    expect(store.get(keyOf(1))).toBeUndefined();
  });

  test("keep a silent peer as long as others hear it", () => {
    store.observe(word(1));
    for (let seconds = 0; seconds <= 1200; seconds += 60) {
      clock.advance(60_000);
      store.observe(mention(1, { ageSeconds: 5 }));
      store.expire();
    }
    expect(store.isActive(store.get(keyOf(1)) as Peer)).toBe(false);
  });
});

describe("events", () => {
  test("tell what was added, changed and removed, with the records", () => {
    const added = store.observe(word(1, { hostname: "a" }));
    const updated = store.observe(word(1, { hostname: "b" }));
    store.remove(keyOf(1), "goodbye");
    expect(events).toMatchObject([
      { type: "added", peer: added, before: null },
      { type: "updated", peer: updated, before: added, changed: new Set(["hostname"]) },
      { type: "removed", peer: updated, reason: "goodbye" },
    ]);
    expect(store.size).toBe(0);
    expect(store.get(keyOf(1))).toBeUndefined();
  });

  test("say nothing when a peer is merely seen again, until it becomes active again", () => {
    const endpoint = { host: "203.0.113.5", port: 51820 };
    store.observe(word(1, { endpoint }));
    takeEvents();
    clock.advance(5000);
    const peer = store.observe(word(1, { endpoint }));
    expect(peer?.lastSeenMs).toBe(clock.wallMs());
    expect(takeEvents()).toEqual([]);
    clock.advance(ACTIVE_MS);
    store.observe(word(1, { endpoint }));
    expect(takeEvents()).toEqual(["updated lastSeenMs"]);
  });

  test("a listener that throws stops neither the others nor the caller", () => {
    const errors: unknown[] = [];
    open({ onListenerError: (error) => errors.push(error) });
    const failure = new Error("listener");
    const seen: string[] = [];
    store.subscribe(() => {
      throw failure;
    });
    const stop = store.subscribe((event) => seen.push(event.type));
    expect(store.observe(word(1))).not.toBeNull();
    expect(seen).toEqual(["added"]);
    expect(errors).toEqual([failure]);
    stop();
    store.remove(keyOf(1), "evicted");
    expect(seen).toEqual(["added"]);
  });
});

describe("what is dropped", () => {
  test("the own key", () => {
    expect(store.observe(word(9999))).toBeNull();
    expect(events).toEqual([]);
  });

  test("IPv6 endpoints and addresses with IPv6 off", () => {
    open({ noIpv6: true });
    const meshIpv6 = ip(testDerivation.meshIpv6(keyOf(1)));
    const peer = store.observe(word(1, { endpoint: { host: "2001:db8::1", port: 1 }, meshIpv6 }));
    expect(peer).toMatchObject({ endpoint: null, meshIpv6: null });
  });
});

describe("mesh addresses", () => {
  const derivedIp = (number: number): Peer["meshIp"] & string =>
    ip(testDerivation.meshIpv4(keyOf(number), 0));

  test("a refused claim costs the address, not the peer, nor the address it had", () => {
    expect(store.observe(word(1, { meshIp: ip("192.0.2.1") }))).toMatchObject({ meshIp: null });
    store.observe(word(1, { meshIp: derivedIp(1) }));
    expect(store.observe(word(1, { meshIp: ip("192.0.2.1") }))?.meshIp).toBe(derivedIp(1));
  });

  test("a pinned address is free again when its peer moves or leaves", () => {
    const [first, second] = [ip("10.8.1.1"), ip("10.8.1.2")];
    store.observe(word(1, { meshIp: first }));
    expect(store.observe(word(2, { meshIp: first }))?.meshIp).toBeNull();
    store.observe(word(1, { meshIp: second }));
    expect(store.observe(word(2, { meshIp: first }))?.meshIp).toBe(first);
    store.remove(keyOf(1), "expired");
    store.observe(word(1));
    expect(store.observe(word(3, { meshIp: second }))?.meshIp).toBe(second);
  });

  test("the key an address follows from takes it from one that pinned it, and both changes are told", () => {
    store.observe(word(1, { meshIp: derivedIp(2) }));
    takeEvents();
    expect(store.observe(word(2, { meshIp: derivedIp(2) }))?.meshIp).toBe(derivedIp(2));
    expect(store.get(keyOf(1))?.meshIp).toBeNull();
    expect(takeEvents()).toEqual(["updated meshIp", "added"]);
    expect(store.observe(word(1, { meshIp: derivedIp(2) }))?.meshIp).toBeNull();
  });

  test("an address in use through a tunnel is not moved by a claim, except to one that follows from the key", () => {
    const derived = ip(testDerivation.meshIpv4(keyOf(1), 0));
    const other = ip(testDerivation.meshIpv4(keyOf(1), 1));
    store.observe(word(1, { meshIp: derived }));
    const shakenAtMs = clock.wallMs();
    store.noteHandshake(keyOf(1), shakenAtMs);
    expect(store.observe(word(1, { meshIp: ip("10.8.9.9") }))?.meshIp).toBe(derived);
    expect(store.observe(word(1, { meshIp: other }))?.meshIp).toBe(other);
    clock.advance(SESSION_LIFETIME_MS);
    store.noteHandshake(keyOf(1), shakenAtMs);
    expect(store.observe(word(1, { meshIp: ip("10.8.9.9") }))?.meshIp).toBe("10.8.9.9");
  });

  test("a third party cannot pin, our own cache can", () => {
    expect(store.observe(mention(1, { meshIp: ip("10.8.1.1") }))?.meshIp).toBeNull();
    expect(store.observe(mention(2, { meshIp: derivedIp(2) }))?.meshIp).toBe(derivedIp(2));
    expect(store.observe(mention(3, { method: "cache", meshIp: ip("10.8.1.1") }))?.meshIp).toBe("10.8.1.1");
  });

  test("our own addresses are nobody else's", () => {
    const own = ip(testDerivation.meshIpv4(OWN, 0));
    expect(store.observe(word(1, { meshIp: own }))?.meshIp).toBeNull();
  });

  test("strict mode takes derived addresses only", () => {
    open({ strictAddresses: true });
    expect(store.observe(word(1, { meshIp: ip("10.8.1.1") }))?.meshIp).toBeNull();
    expect(store.observe(word(1, { meshIp: derivedIp(1) }))?.meshIp).toBe(derivedIp(1));
  });
});

describe("life and death", () => {
  test("a peer is active for 5 minutes and gone after 10, by the monotonic clock", () => {
    const peer = store.observe(word(1)) as Peer;
    clock.jumpWall(86_400_000);
    clock.advance(ACTIVE_MS - 1);
    expect(store.isActive(peer)).toBe(true);
    clock.advance(1);
    expect(store.isActive(peer)).toBe(false);
    clock.advance(EXPIRE_MS - ACTIVE_MS);
    store.expire();
    expect(store.size).toBe(1);
    clock.advance(1);
    store.expire();
    expect(events.at(-1)).toMatchObject({ type: "removed", reason: "expired" });
    expect(store.isActive(peer)).toBe(false);
  });

  test("handshakes keep a peer that says nothing (weak point 18)", () => {
    const peer = store.observe(word(1)) as Peer;
    for (let minutes = 0; minutes < 30; minutes += 2) {
      clock.advance(120_000);
      store.noteHandshake(keyOf(1), clock.wallMs());
      store.expire();
    }
    expect(store.isActive(peer)).toBe(true);
    expect(store.size).toBe(1);
  });

  test("mentions keep what never spoke, but not what has gone silent (weak point 23)", () => {
    const silent = store.observe(word(1)) as Peer;
    const hearsay = store.observe(mention(2)) as Peer;
    for (let minutes = 0; minutes < 11; minutes++) {
      clock.advance(60_000);
      store.observe(mention(1));
      store.observe(mention(2));
    }
    expect([store.isActive(silent), store.isActive(hearsay)]).toEqual([false, false]);
    store.expire();
    expect(store.list().map((peer) => peer.publicKey)).toEqual([keyOf(2)]);
  });

  test("a cached peer is active as long as its old last-seen time allows, and stays to be tried", () => {
    const seenAtMs = (agoMs: number): number => clock.wallMs() - agoMs;
    const fresh = store.observe(
      mention(1, { method: "cache", seenAtMs: seenAtMs(ACTIVE_MS - 1000) }),
    ) as Peer;
    const old = store.observe(mention(2, { method: "cache", seenAtMs: seenAtMs(20 * 3_600_000) })) as Peer;
    expect([store.isActive(fresh), store.isActive(old)]).toEqual([true, false]);
    clock.advance(1000);
    store.expire();
    expect(store.isActive(fresh)).toBe(false);
    expect(store.size).toBe(2);
  });
});

describe("noteHandshake", () => {
  test("tells when a tunnel begins and ceases to be connected, and nothing in between", () => {
    store.observe(word(1));
    takeEvents();
    const first = clock.wallMs();
    store.noteHandshake(keyOf(1), first);
    expect(takeEvents()).toEqual(["updated lastHandshakeMs"]);
    for (let read = 0; read < 24; read++) {
      clock.advance(5000);
      store.noteHandshake(keyOf(1), first);
    }
    store.noteHandshake(keyOf(1), clock.wallMs());
    expect(takeEvents()).toEqual([]);
    const last = clock.wallMs();
    clock.advance(SESSION_LIFETIME_MS);
    store.noteHandshake(keyOf(1), last);
    store.noteHandshake(keyOf(1), last);
    expect(takeEvents()).toEqual(["updated lastHandshakeMs"]);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBe(last);
  });

  test("a clock set back does not hide new handshakes", () => {
    store.observe(word(1));
    store.noteHandshake(keyOf(1), clock.wallMs());
    clock.jumpWall(-3_600_000);
    clock.advance(120_000);
    store.noteHandshake(keyOf(1), clock.wallMs());
    clock.advance(120_000);
    takeEvents();
    store.noteHandshake(keyOf(1), clock.wallMs() - 120_000);
    expect(takeEvents()).toEqual([]);
  });

  test("never having had one is no handshake, and an unknown peer no error", () => {
    store.observe(word(1));
    store.noteHandshake(keyOf(1), 0);
    store.noteHandshake(keyOf(2), clock.wallMs());
    expect(takeEvents()).toEqual(["added"]);
  });
});

describe("tombstones", () => {
  test.each(["goodbye", "evicted"] as const)("after %s a mention does not bring the peer back", (reason) => {
    store.observe(word(1));
    store.remove(keyOf(1), reason, nowSeconds());
    expect(store.observe(mention(1))).toBeNull();
    expect(store.observe(mention(1, { method: "cache" }))).toBeNull();
    clock.advance(10 * 60_000 + 1);
    expect(store.observe(mention(1))).not.toBeNull();
  });

  test("after expiry a mention may", () => {
    store.observe(word(1));
    store.remove(keyOf(1), "expired");
    expect(store.observe(mention(1))).not.toBeNull();
  });

  test("a word sent before the GOODBYE does not lift it, a later one does", () => {
    const early = word(1);
    store.observe(early);
    clock.advance(10_000);
    store.remove(keyOf(1), "goodbye", nowSeconds());
    expect(store.observe(early)).toBeNull();
    expect(store.observe(word(1))).toBeNull();
    clock.advance(1000);
    expect(store.observe(word(1))).not.toBeNull();
    expect(store.observe(mention(1))).not.toBeNull();
  });

  test("a new run of the peer lifts it within the same second", () => {
    store.observe(word(1));
    store.remove(keyOf(1), "goodbye", nowSeconds());
    expect(store.observe(word(1, { instance: "" }))).toBeNull();
    expect(store.observe(word(1, { instance: "fedcba9876543210" }))).not.toBeNull();
  });
});

describe("the cap", () => {
  function fill(make: (number: number) => Sighting): void {
    for (let number = 0; number < MAX_PEERS; number++) store.observe(make(number));
    expect(store.size).toBe(MAX_PEERS);
  }

  test("a mention does not enter a full store", () => {
    fill(mention);
    expect(store.observe(mention(5000))).toBeNull();
  });

  test("a word displaces the mention without news for longest, never one that shook hands", () => {
    fill(mention);
    store.noteHandshake(keyOf(0), clock.wallMs());
    clock.advance(1000);
    store.observe(mention(1));
    takeEvents();
    expect(store.observe(word(5000))).not.toBeNull();
    expect(store.size).toBe(MAX_PEERS);
    expect(store.get(keyOf(0))).toBeDefined();
    expect(store.get(keyOf(1))).toBeDefined();
    expect(store.get(keyOf(2))).toBeUndefined();
    expect(takeEvents()).toEqual(["removed", "added"]);
  });

  test("a store full of peers that speak takes no more", () => {
    fill(word);
    expect(store.observe(word(5000))).toBeNull();
    expect(store.observe(word(1, { hostname: "still heard" }))?.hostname).toBe("still heard");
  });
});

describe("any history", () => {
  const address = fc.constantFrom("10.8.1.1", "10.8.1.2", "10.9.0.1").map(ip);
  const sighting = fc.record(
    {
      publicKey: fc.integer({ min: 1, max: 6 }).map(keyOf),
      method: fc.constantFrom(...allMethods),
      meshIp: fc.oneof(
        address,
        fc.integer({ min: 1, max: 6 }).map((number) => ip(testDerivation.meshIpv4(keyOf(number), 0))),
      ),
      endpoint: fc.constantFrom({ host: "192.0.2.1", port: 1 }, { host: "2001:db8::1", port: 2 }),
      networks: fc.subarray([cidr("192.168.5.0/24")]),
      sentAtSeconds: fc.integer({ min: 1_767_225_600, max: 1_767_230_000 }),
      seenAtMs: fc.integer({ min: 1_767_220_000_000, max: 1_767_230_000_000 }),
    },
    { requiredKeys: ["publicKey", "method"] },
  );
  const key = fc.integer({ min: 1, max: 6 }).map(keyOf);
  const reason = fc.constantFrom("goodbye", "evicted", "expired");
  const step = fc.oneof(
    { weight: 6, arbitrary: sighting.map((seen) => () => void store.observe(seen)) },
    fc.tuple(key, reason).map(
      ([peer, why]) =>
        () =>
          store.remove(peer, why),
    ),
    fc.tuple(key, fc.nat(300_000)).map(
      ([peer, agoMs]) =>
        () =>
          store.noteHandshake(peer, clock.wallMs() - agoMs),
    ),
    fc.integer({ min: 1, max: 400_000 }).map((ms) => () => clock.advance(ms)),
    fc.integer({ min: -400_000, max: 400_000 }).map((ms) => () => clock.jumpWall(ms)),
    fc.constant(() => store.expire()),
    fc
      .tuple(fc.integer({ min: 100, max: 60_000 }), fc.constantFrom(word, mention))
      .map(([from, make]) => () => {
        for (let number = from; number < from + 600; number++) store.observe(make(number));
      }),
  );

  test("leaves the store within its cap, with one holder an address, and as its events tell it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        open();
        const told = new Map<string, Peer>();
        store.subscribe((event) => {
          if (event.type === "removed") told.delete(event.peer.publicKey);
          else told.set(event.peer.publicKey, event.peer);
        });
        for (const run of steps) run();
        const peers = store.list();
        expect(peers.length).toBe(store.size);
        expect(store.size).toBeLessThanOrEqual(MAX_PEERS);
        const addresses = peers.map((peer) => peer.meshIp).filter((held) => held !== null);
        expect(new Set(addresses).size).toBe(addresses.length);
        // Times alone change without an event.
        const lasting = (peer: Peer | undefined): unknown =>
          peer && { ...peer, lastSeenMs: 0, lastHandshakeMs: 0, endpointAtMs: 0 };
        expect(peers.map(lasting)).toEqual(peers.map((peer) => lasting(told.get(peer.publicKey))));
        expect(told.size).toBe(store.size);
      }),
      { numRuns: 200 },
    );
  });
});
