import { describe, expect, test } from "vitest";
import type { Endpoint, IpAddress } from "../../../src/core/types.ts";
import { ContactQueue, type ContactRequest } from "../../../src/discovery/contactQueue.ts";
import { Counters } from "../../../src/discovery/counters.ts";
import { HelloTable } from "../../../src/discovery/helloTable.ts";
import { OutboundBudget } from "../../../src/discovery/outboundBudget.ts";
import { Outbox } from "../../../src/discovery/outbox.ts";
import { GlobalLimiter, MAX_SOURCES, SourceLimiter } from "../../../src/discovery/rateLimiter.ts";
import { Reflections } from "../../../src/discovery/reflections.ts";
import { RefreshPlan } from "../../../src/discovery/refreshPlan.ts";
import { VerifiedSources } from "../../../src/discovery/verifiedSources.ts";
import { MetricsRegistry } from "../../../src/observe/metrics.ts";
import { testKey } from "./memoryMesh.ts";

const at = (last: number): Endpoint => ({ host: `192.0.2.${last}`, port: 5 });
const ip = (text: string): IpAddress => text as IpAddress;

/** How many of `count` tries pass. */
function passed(count: number, take: () => boolean): number {
  let passes = 0;
  for (let index = 0; index < count; index += 1) if (take()) passes += 1;
  return passes;
}

describe("the limit of a source", () => {
  test("is a burst of 40, then 20 a second", () => {
    const limiter = new SourceLimiter();
    expect(passed(100, () => limiter.take("192.0.2.1", 0))).toBe(40);
    expect(passed(100, () => limiter.take("192.0.2.1", 1_000))).toBe(20);
    expect(passed(100, () => limiter.take("192.0.2.2", 1_000))).toBe(40);
  });

  test.each([
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["2001:db8::1", "2001:db8::2", true],
    ["2001:db8::1", "2001:db8:0:1::2", false],
    ["::1", "::2", true],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::", true],
  ])("is shared by an IPv6 /64: %s and %s", (first, second, shared) => {
    const limiter = new SourceLimiter();
    passed(40, () => limiter.take(first, 0));
    expect(limiter.take(second, 0)).toBe(!shared);
  });

  test("forgets the source heard longest ago when there are too many", () => {
    const limiter = new SourceLimiter();
    passed(40, () => limiter.take("198.51.100.1", 0));
    for (let index = 0; index < MAX_SOURCES - 1; index += 1)
      limiter.take(`10.0.${index >> 8}.${index & 255}`, 0);
    expect(limiter.take("198.51.100.1", 0)).toBe(false);
    limiter.take("10.9.9.9", 0);
    expect(limiter.size).toBe(MAX_SOURCES);
    expect(limiter.take("198.51.100.1", 0)).toBe(false);
    limiter.take("10.0.0.0", 0);
    for (let index = 0; index < MAX_SOURCES; index += 1) limiter.take(`10.1.${index >> 8}.${index & 255}`, 0);
    expect(limiter.take("198.51.100.1", 0)).toBe(true);
  });
});

test("the common limit counts by size and keeps a share for addresses that answered", () => {
  const limiter = new GlobalLimiter(0);
  expect(passed(10_000, () => limiter.take(400, false, 0))).toBe(4_000);
  expect(passed(10_000, () => limiter.take(400, true, 0))).toBe(4_000);
  expect(passed(10_000, () => limiter.take(60_000, false, 1_000))).toBe(50);
});

describe("the budget of a destination", () => {
  test("is exactly five in any second", () => {
    const budget = new OutboundBudget();
    const sent: number[] = [];
    for (let nowMs = 0; nowMs < 5_000; nowMs += 37) {
      if (budget.freeAtMs("a", nowMs) > nowMs) continue;
      budget.spend("a", nowMs);
      sent.push(nowMs);
    }
    const busiest = Math.max(...sent.map((from) => sent.filter((t) => t >= from && t < from + 1_000).length));
    expect(busiest).toBe(5);
    expect(budget.freeAtMs("b", 5_000)).toBe(5_000);
  });

  test("makes what exceeds it wait, newest word only, REPLY before HELLO", () => {
    const log: string[] = [];
    const counters = new Counters(new MetricsRegistry());
    const outbox = new Outbox((data) => log.push(data.toString()), counters);
    for (const text of ["1", "2", "3", "4", "5", "6", "7"])
      outbox.post("reply", at(1), 0, () => Buffer.from(`r${text}`));
    outbox.post("hello", at(1), 0, () => Buffer.from("h"));
    outbox.post("hello", at(2), 0, () => Buffer.from("other"));
    expect(log).toEqual(["r1", "r2", "r3", "r4", "r5", "other"]);
    expect(outbox.nextAtMs(10)).toBe(1_000);
    outbox.flush(999);
    expect(log).toHaveLength(6);
    outbox.flush(1_000);
    expect(log.slice(6)).toEqual(["r7", "h"]);
    expect(counters.snapshot().coalesced).toBe(1);
    expect(outbox.nextAtMs(1_000)).toBeNull();
  });
});

describe("an open HELLO", () => {
  const hello = {
    to: at(1),
    publicKey: testKey("a"),
    reason: "dht",
    datagram: Buffer.from("x"),
    openedAtMs: 0.3,
    brief: false,
  } as const;

  /** The times at which it is sent, and the one at which it is given up. */
  function timeline(once: boolean): { sends: number[]; gaveUpAtMs: number } {
    const table = new HelloTable(once);
    table.open(hello);
    const sends: number[] = [];
    for (;;) {
      const nowMs = table.nextAtMs() ?? Number.NaN;
      const { send, unanswered } = table.tick(nowMs);
      for (const _ of send) sends.push(Math.round(nowMs - 0.3));
      if (unanswered.length > 0) return { sends, gaveUpAtMs: Math.round(nowMs - 0.3) };
    }
  }

  test("is sent again with backoff and given up after four seconds", () => {
    expect(timeline(false)).toEqual({ sends: [0, 200, 500, 1000, 2000, 3000], gaveUpAtMs: 4000 });
    expect(timeline(true)).toEqual({ sends: [0], gaveUpAtMs: 4000 });
  });

  test("is closed by exactly its address, once", () => {
    const table = new HelloTable(false);
    table.open(hello);
    expect(table.close({ ...at(1), port: 6 })).toBeNull();
    expect(table.close(at(1))).toBe(hello);
    expect(table.close(at(1))).toBeNull();
  });

  test("sends one datagram after a stall, not all that were due", () => {
    const table = new HelloTable(false);
    table.open(hello);
    expect(table.tick(2_500).send).toHaveLength(1);
  });
});

describe("wanted HELLOs", () => {
  const request = (last: number, purpose: ContactRequest["purpose"] = "meet"): ContactRequest => {
    return { to: at(last), publicKey: null, reason: "dht", purpose, small: true };
  };

  test("for many addresses go out 64 at once, then 50 a second", () => {
    const queue = new ContactQueue(0);
    for (let index = 0; index < 250; index += 1) queue.add(request(index), 0);
    const sent: Endpoint[] = [];
    const opened = (nowMs: number): number => {
      const before = sent.length;
      queue.take(nowMs, ({ to }) => sent.push(to) > 0);
      return sent.length - before;
    };
    expect(opened(0)).toBe(64);
    expect(queue.nextAtMs(0)).toBe(20);
    expect(opened(1_000)).toBe(50);
  });

  test("for one address become one, the weightier at the earlier time", () => {
    const queue = new ContactQueue(0);
    queue.add(request(1, "tell"), 50);
    queue.add(request(1, "meet"), 10);
    expect(queue.nextAtMs(0)).toBe(10);
    const purposes: string[] = [];
    queue.take(10, ({ purpose }) => purposes.push(purpose) > 0);
    expect(purposes).toEqual(["tell"]);
  });

  test("are known to be held up until they go out", () => {
    const queue = new ContactQueue(0);
    for (let index = 0; index < 65; index += 1) queue.add(request(index), 0);
    const opened: Endpoint[] = [];
    queue.take(0, ({ to }) => opened.push(to) > 0);
    queue.add(request(66), 10);
    expect(opened.some((to) => queue.isHeldUp(to, 0))).toBe(false);
    expect(queue.isHeldUp(at(64), 0)).toBe(true);
    expect(queue.isHeldUp(at(65), 0)).toBe(false);
    // Its time has not come.
    expect([queue.isHeldUp(at(66), 9), queue.isHeldUp(at(66), 10)]).toEqual([false, true]);
  });
});

describe("a peer is spoken to again", () => {
  const key = testKey("a");

  test("at once when never, within 4 minutes when connected, within 30 s when not, later when silent", () => {
    const plan = new RefreshPlan(() => 0.999);
    expect(plan.isDue(key, false, 0)).toBe(true);
    plan.heard(key, false, 1, 0);
    expect(plan.isDue(key, true, 170_000)).toBe(false);
    expect(plan.isDue(key, true, 235_000)).toBe(true);
    expect(plan.isDue(key, false, 20_000)).toBe(false);
    expect(plan.isDue(key, false, 30_000)).toBe(true);
    plan.unanswered(key);
    expect(plan.isDue(key, false, 40_000)).toBe(false);
    plan.forget(key);
    expect(plan.isDue(key, true, 40_000)).toBe(true);
  });
});

test("a peer that did not answer is spoken to when its tunnel comes up, and more often than one that did", () => {
  const key = testKey("a");
  const plan = new RefreshPlan(() => 0.999);
  plan.heard(key, false, 1, 0);
  expect(plan.reached(key)).toBe(false);
  plan.tried(key, 1_000);
  plan.unanswered(key);
  expect(plan.isDue(key, true, 20_000, 1_000)).toBe(false);
  expect(plan.isDue(key, true, 31_000, 1_000)).toBe(true);
  expect(plan.reached(key)).toBe(true);
  expect(plan.isDue(key, true, 1_001, 1_000)).toBe(true);
  plan.tried(key, 1_001);
  expect(plan.isDue(key, true, 1_002, 1_000)).toBe(false);
  plan.heard(key, false, 2, 2_000);
  expect(plan.isDue(key, true, 200_000)).toBe(false);
});

test("an unproven address may be sent three times what it sent, a proven one anything for ten minutes", () => {
  const sources = new VerifiedSources();
  expect(sources.allowanceBytes(at(1), 0)).toBe(0);
  sources.received(at(1), 400);
  sources.sent(at(1), 1_000);
  expect(sources.allowanceBytes(at(1), 0)).toBe(200);
  sources.verify(at(1), 0);
  expect(sources.allowanceBytes(at(1), 599_999)).toBe(Number.POSITIVE_INFINITY);
  expect(sources.isVerified(at(1), 600_000)).toBe(false);
});

test("a known address gives way only to two witnesses who agree, within ten minutes", () => {
  const reflections = new Reflections();
  const [a, b] = [testKey("a"), testKey("b")];
  const before = ip("203.0.113.1");
  const after = ip("203.0.113.2");
  expect(reflections.convinces(a, after, null, 0)).toBe(true);
  expect(reflections.convinces(a, after, before, 0)).toBe(false);
  expect(reflections.convinces(a, after, before, 1)).toBe(false);
  expect(reflections.convinces(b, after, before, 700_000)).toBe(false);
  expect(reflections.convinces(a, after, before, 700_001)).toBe(true);
});
