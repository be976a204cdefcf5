import { beforeEach, describe, expect, test } from "vitest";
import type { Sighting } from "../../../src/peers/peer.ts";
import { MAX_PEERS } from "../../../src/peers/store.ts";
import { keyOf } from "../support/announcements.ts";
import { clock, mention, nowSeconds, open, store, takeEvents, word } from "./storeFixture.ts";

beforeEach(() => open());

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
