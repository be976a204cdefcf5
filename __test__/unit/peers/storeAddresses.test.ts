import { beforeEach, describe, expect, test } from "vitest";
import { SESSION_LIFETIME_MS } from "../../../src/peers/connected.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { clock, mention, OWN, open, store, takeEvents, word } from "./storeFixture.ts";

beforeEach(() => open());

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

describe("a contested mesh address", () => {
  const nonce = (number: number, count: number): Peer["meshIp"] & string =>
    ip(testDerivation.meshIpv4(keyOf(number), count));

  test("goes at once to who claimed it meanwhile, when its holder says that it is elsewhere, or leaves", () => {
    const address = ip("10.8.1.1");
    store.observe(word(1, { meshIp: address, proven: true }));
    for (const number of [3, 2]) {
      expect(store.observe(word(number, { meshIp: address, proven: true }))?.meshIp).toBeNull();
    }
    takeEvents();
    store.observe(word(1, { meshIp: nonce(1, 1), proven: true }));
    expect(store.get(keyOf(2))?.meshIp).toBe(address);
    expect(takeEvents()).toEqual(["updated meshIp", "updated meshIp"]);
    store.observe(word(3, { meshIp: address, proven: true }));
    store.remove(keyOf(2), "expired");
    expect(store.get(keyOf(3))?.meshIp).toBe(address);
    expect(store.holderOf(address)).toBe(keyOf(3));
  });

  test("a claim that was replaced by another waits no more", () => {
    store.observe(word(1, { meshIp: ip("10.8.1.1") }));
    store.observe(word(2, { meshIp: ip("10.8.1.2") }));
    store.observe(word(3, { meshIp: ip("10.8.1.1") }));
    store.observe(word(3, { meshIp: ip("10.8.1.2") }));
    store.remove(keyOf(1), "expired");
    expect(store.get(keyOf(3))?.meshIp).toBeNull();
    store.remove(keyOf(2), "expired");
    expect(store.get(keyOf(3))?.meshIp).toBe("10.8.1.2");
  });

  test("a peer that proves to be at another's address is no longer where it was", () => {
    store.observe(word(1, { meshIp: nonce(1, 0), proven: true }));
    store.observe(word(2, { meshIp: nonce(2, 0) }));
    expect(store.observe(word(1, { meshIp: nonce(2, 0), proven: true }))?.meshIp).toBeNull();
  });

  test("collision addresses count to the tenth; one in use moves to those of ours only by a proof", () => {
    open({ strictAddresses: true });
    expect(store.observe(word(1, { meshIp: nonce(1, 10) }))?.meshIp).toBe(nonce(1, 10));
    expect(store.observe(word(2, { meshIp: nonce(2, 11) }))?.meshIp).toBeNull();
    store.noteHandshake(keyOf(1), clock.wallMs());
    expect(store.observe(word(1, { meshIp: nonce(1, 2) }))?.meshIp).toBe(nonce(1, 10));
    expect(store.observe(word(1, { meshIp: nonce(1, 2), proven: true }))?.meshIp).toBe(nonce(1, 2));
  });

  test("of our own is told, when the claimant proves itself or answered us", () => {
    const rivals: string[] = [];
    const own = ip(testDerivation.meshIpv4(OWN, 0));
    open({ onRival: ({ publicKey, address }) => rivals.push(`${publicKey} ${address}`) });
    store.observe(word(1, { meshIp: own }));
    store.observe(mention(2, { meshIp: own }));
    expect(rivals).toEqual([]);
    store.observe(word(3, { meshIp: own, proven: true }));
    store.observe(word(4, { meshIp: own, answered: true }));
    expect(rivals).toEqual([`${keyOf(3)} ${own}`, `${keyOf(4)} ${own}`]);
  });
});
