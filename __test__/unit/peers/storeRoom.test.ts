import { beforeEach, describe, expect, test } from "vitest";
import type { Sighting } from "../../../src/peers/peer.ts";
import { MANY_STRANGERS, TRY_MS } from "../../../src/peers/room.ts";
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

describe("a crowd of strangers", () => {
  const from = (number: number, source: string): Sighting => word(number, { source });

  function crowd(size: number, source: (number: number) => string): void {
    for (let number = 0; number < size; number++) store.observe(from(number, source(number)));
  }

  test("is let in without limit while it is small", () => {
    crowd(MANY_STRANGERS, () => "198.51.100.1");
    expect(store.size).toBe(MANY_STRANGERS);
    expect(store.isCrowded).toBe(true);
  });

  test("of one source grows by few, whose time comes back; another source has its own share", () => {
    crowd(1000, () => "198.51.100.1");
    expect(store.size).toBe(MANY_STRANGERS);
    for (let number = 5000; number < 5100; number++) store.observe(from(number, "198.51.100.2"));
    expect(store.size).toBe(MANY_STRANGERS + 4);
    clock.advance(10_000);
    expect(store.observe(from(6000, "198.51.100.2"))).not.toBeNull();
    expect(store.observe(from(6001, "198.51.100.2"))).toBeNull();
  });

  test("that a stranger tells of is limited like its greetings; a peer with a tunnel may tell of a whole mesh", () => {
    for (let number = 0; number < 1000; number++) store.observe(mention(number, { source: "198.51.100.1" }));
    expect(store.size).toBe(MANY_STRANGERS);
    const told = (number: number): Sighting => mention(number, { source: keyOf(9998), tunnel: true });
    for (let number = 5000; number < 7000; number++) store.observe(told(number));
    expect(store.size).toBe(MAX_PEERS);
  });

  test("that comes and says goodbye again and again is limited, too", () => {
    let came = 0;
    for (let number = 0; number < 5000; number++) {
      if (store.observe(from(number, "198.51.100.1")) !== null) came += 1;
      store.remove(keyOf(number), "goodbye", nowSeconds());
    }
    expect(came).toBe(MANY_STRANGERS);
  });

  test("ends when they have shaken hands, or are gone", () => {
    crowd(MANY_STRANGERS, () => "198.51.100.1");
    store.noteHandshake(keyOf(0), clock.wallMs());
    expect(store.isCrowded).toBe(false);
    expect(store.observe(from(5000, "198.51.100.2"))).not.toBeNull();
    expect(store.isCrowded).toBe(true);
    store.remove(keyOf(1), "goodbye", nowSeconds());
    expect(store.isCrowded).toBe(false);
    store.remove(keyOf(0), "goodbye", nowSeconds());
    expect(store.isCrowded).toBe(false);
  });

  test("that fills the store from many sources keeps no newcomer from another out, and it stays for its tries", () => {
    const sourceOf = (number: number): string => `198.51.100.${number % 250}`;
    for (let number = 0; store.size < MAX_PEERS; number++) {
      if (number % 250 === 249) clock.advance(10_000);
      store.observe(from(number, sourceOf(number)));
    }
    store.noteHandshake(keyOf(0), clock.wallMs());
    expect(store.observe(from(50_000, "203.0.113.1"))).not.toBeNull();
    for (let number = 60_000; number < 62_000; number++) store.observe(from(number, sourceOf(number)));
    expect(store.get(keyOf(50_000))).toBeDefined();
    expect(store.get(keyOf(0))).toBeDefined();
    expect(store.size).toBe(MAX_PEERS);
  });

  test("where each comes from another source gives way only after its tries", () => {
    crowd(MAX_PEERS, (number) => `source ${number}`);
    expect(store.observe(from(5000, "203.0.113.1"))).toBeNull();
    clock.advance(TRY_MS);
    expect(store.observe(from(5001, "203.0.113.1"))).not.toBeNull();
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

  test("is as high as it is set, while it runs too", () => {
    open({ maxPeers: 10 });
    for (let number = 0; number < 30; number++) store.observe(mention(number));
    expect([store.size, store.isFull, store.maxPeers]).toEqual([10, true, 10]);
    store.setMaxPeers(20);
    for (let number = 0; number < 30; number++) store.observe(mention(number));
    expect(store.size).toBe(20);
  });

  test("that is lowered lets those go that only others tell of, then who was silent for longest, and nobody with a tunnel", () => {
    for (let number = 0; number < 12; number++) store.observe(word(number));
    store.noteHandshake(keyOf(0), clock.wallMs());
    clock.advance(1000);
    for (let number = 2; number < 12; number++) store.observe(word(number));
    for (let number = 20; number < 24; number++) store.observe(mention(number));
    takeEvents();
    store.setMaxPeers(11);
    expect(takeEvents()).toEqual(Array(5).fill("removed"));
    expect(store.list().map(({ publicKey }) => publicKey)).toEqual(
      [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((number) => keyOf(number)),
    );
    for (let number = 2; number < 12; number++) store.noteHandshake(keyOf(number), clock.wallMs());
    store.setMaxPeers(10);
    expect(store.size).toBe(11);
    expect(store.observe(word(50))).toBeNull();
  });
});

test("while strangers are not admitted, known peers are heard and proved members come back", () => {
  store.observe(word(1));
  store.observe(word(2, { proven: true }));
  store.remove(keyOf(2), "expired");
  store.admitStrangers(false);
  expect(store.observe(word(3))).toBeNull();
  expect(store.observe(word(1, { hostname: "still heard" }))?.hostname).toBe("still heard");
  expect(store.observe(word(2))).not.toBeNull();
  store.admitStrangers(true);
  expect(store.observe(word(3))).not.toBeNull();
});
