import { describe, expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { AnnouncementPlan } from "../../../src/privacy/announcementPlan.ts";
import { Departures } from "../../../src/privacy/departures.ts";
import { FailSafe } from "../../../src/privacy/failSafe.ts";
import { Limits } from "../../../src/privacy/limits.ts";
import { NonceCache } from "../../../src/privacy/nonceCache.ts";
import { Recent } from "../../../src/privacy/recent.ts";
import type { PassedAnnouncement } from "../../../src/wire/dandelion.ts";
import { seededRandom } from "../support/seededRandom.ts";

const key = (name: string | number): PublicKey => `key ${name}` as PublicKey;
const message = (number: number): PassedAnnouncement => ({
  origin: key(number),
  meshIp: "10.77.0.1" as IpAddress,
  endpoint: "",
  hopCount: 0,
  timestampSeconds: 0,
  nonce: number.toString(16).padStart(32, "0"),
  ageSeconds: 1,
  fluff: false,
});

describe("what an attacker can fill", () => {
  test("nonces: so many are kept, the newest, and none for longer than twenty minutes", () => {
    const nonces = new NonceCache();
    for (let number = 0; number < 10_000; number += 1) nonces.note(`${number}`, "stem", 0);
    expect(nonces.size).toBe(8_192);
    expect(nonces.phaseOf("0")).toBeNull();
    expect(nonces.phaseOf("9999")).toBe("stem");
    nonces.note("9999", "fluff", 1);
    expect(nonces.phaseOf("9999")).toBe("fluff");
    nonces.note("later", "stem", 20 * 60_000 + 2);
    expect(nonces.size).toBe(1);
  });

  test("stems that are waited for", () => {
    const failSafe = new FailSafe();
    const random = seededRandom("fail-safe");
    for (let number = 0; number < 2_000; number += 1) failSafe.watch(message(number), 0, random);
    expect(failSafe.size).toBe(1_024);
    expect(failSafe.take(60_000)).toHaveLength(1_024);
    expect(failSafe.nextAtMs()).toBeNull();
  });

  test("origins of late", () => {
    const recent = new Recent();
    for (let number = 0; number < 1_000; number += 1) recent.add(message(number), 0);
    expect(recent.newest(1_000, 0)).toHaveLength(256);
    expect(recent.newest(1, 0)).toEqual([message(999)]);
  });

  test("messages that wait to be sent", () => {
    const departures = new Departures();
    const taken = Array.from({ length: 5_000 }, (_, number) =>
      departures.add({ to: key("x"), message: message(number), atMs: (number * 7) % 100 }),
    );
    expect(taken.filter(Boolean)).toHaveLength(4_096);
    const times = departures.take(50).map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.max(...times)).toBe(50);
    expect(departures.nextAtMs()).toBe(51);
  });

  test("the share of one neighbour, and of all of them together", () => {
    const limits = new Limits(0);
    const taken = (source: string, isNew: boolean): number =>
      Array.from({ length: 1_000 }, () => limits.take(key(source), isNew, 0)).filter(Boolean).length;
    expect(taken("one", false)).toBe(60);
    expect(taken("two", true)).toBe(60);
    const many = Array.from({ length: 20 }, (_, number) => taken(`flood ${number}`, true));
    expect(many.reduce((sum, each) => sum + each, 0)).toBe(240);
    // Repeats cost nobody else anything.
    expect(taken("three", false)).toBe(60);
    expect(limits.take(key("one"), false, 1_000)).toBe(true);
  });
});

describe("when to announce", () => {
  const plan = (): AnnouncementPlan => new AnnouncementPlan(seededRandom("plan"));
  const peer = key("peer");

  test("not before a tunnel works, then soon, then again after minutes", () => {
    const announcements = plan();
    expect(announcements.nextAtMs()).toBe(Number.POSITIVE_INFINITY);
    announcements.connected(peer, 1_000);
    const firstMs = announcements.nextAtMs() - 1_000;
    expect(firstMs).toBeGreaterThanOrEqual(500);
    expect(firstMs).toBeLessThanOrEqual(1_500);
    expect(announcements.takeOwn(5, 1_000)).toBe(false);
    expect(announcements.takeOwn(5, 2_500)).toBe(true);
    expect(announcements.takeOwn(5, 2_500)).toBe(false);
    announcements.disconnected(peer);
    const againMs = announcements.nextAtMs() - 2_500;
    expect(againMs).toBeGreaterThan(150_000);
    expect(againMs).toBeLessThan(230_000);
  });

  test("at once when something changed, but not more than every few seconds", () => {
    const announcements = plan();
    announcements.changed(0);
    expect(announcements.nextAtMs()).toBe(Number.POSITIVE_INFINITY);
    announcements.connected(peer, 0);
    announcements.disconnected(peer);
    announcements.takeOwn(5, 2_000);
    announcements.changed(2_100);
    const nextMs = announcements.nextAtMs();
    expect(nextMs).toBeGreaterThanOrEqual(8_000);
    expect(nextMs).toBeLessThanOrEqual(9_000);
    announcements.takeOwn(5, nextMs);
    announcements.changed(100_000);
    expect(announcements.nextAtMs()).toBeLessThanOrEqual(102_000);
  });

  test("for a neighbour that is silent, and for none that others have spoken for", () => {
    const announcements = plan();
    announcements.connected(peer, 0);
    announcements.connected(key("silent"), 0);
    announcements.heard(peer, 5, 1_000);
    expect(announcements.takeOthers(5, 4_999)).toEqual([]);
    expect(announcements.takeOthers(5, 20_000)).toEqual([key("silent")]);
    expect(announcements.takeOthers(5, 300_000)).toEqual([]);
    expect(new Set(announcements.takeOthers(5, 700_000))).toEqual(new Set([peer, key("silent")]));
  });

  test("the larger the mesh the rarer", () => {
    const small = plan();
    const large = plan();
    for (const each of [small, large]) each.connected(peer, 0);
    small.takeOwn(5, 2_000);
    large.takeOwn(1_000, 2_000);
    for (const each of [small, large]) each.disconnected(peer);
    expect(large.nextAtMs()).toBeGreaterThan(8 * small.nextAtMs());
  });
});
