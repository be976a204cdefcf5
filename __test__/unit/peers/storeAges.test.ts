import { beforeEach, describe, expect, test } from "vitest";
import type { Peer } from "../../../src/peers/peer.ts";
import { ACTIVE_MS, EXPIRE_MS } from "../../../src/peers/store.ts";
import { keyOf } from "../support/announcements.ts";
import { clock, events, mention, open, store, word } from "./storeFixture.ts";

beforeEach(() => open());

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
