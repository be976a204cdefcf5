import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { SESSION_LIFETIME_MS } from "../../../src/peers/connected.ts";
import { DISCOVERY_METHODS, type Peer } from "../../../src/peers/peer.ts";
import { ACTIVE_MS, MAX_PEERS } from "../../../src/peers/store.ts";
import { cidr, ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { clock, events, mention, open, store, takeEvents, word } from "./storeFixture.ts";

beforeEach(() => open());

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

describe("any history", () => {
  const address = fc.constantFrom("10.8.1.1", "10.8.1.2", "10.9.0.1").map(ip);
  const sighting = fc.record(
    {
      publicKey: fc.integer({ min: 1, max: 6 }).map(keyOf),
      method: fc.constantFrom(...DISCOVERY_METHODS),
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
