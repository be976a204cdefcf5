import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { EPOCH_MS, firstEpoch, mendEpoch, nextEpoch } from "../../../src/privacy/epoch.ts";
import { EpochManager } from "../../../src/privacy/epochManager.ts";
import { ManualClock } from "../support/manualClock.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { settle } from "../support/settle.ts";

const keys = (count: number): PublicKey[] =>
  Array.from({ length: count }, (_, index) => `k${index}` as PublicKey);

describe("an epoch", () => {
  test("lasts ten minutes, the first one at least half of that", () => {
    const random = seededRandom("epochs");
    const firsts = Array.from({ length: 100 }, () => firstEpoch(1_000, random).endsAtMs - 1_000);
    expect(Math.min(...firsts)).toBeGreaterThanOrEqual(EPOCH_MS / 2);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(EPOCH_MS);
    const first = { number: 1, endsAtMs: 5_000, relays: [] };
    expect(nextEpoch(first, keys(5), 4_999, random)).toBe(first);
    expect(nextEpoch(first, keys(5), 5_000, random)).toMatchObject({ number: 2, endsAtMs: 605_000 });
  });

  test("has two relays, each neighbour as often as another", () => {
    const random = seededRandom("relays");
    const drawn = new Map<string, number>();
    for (let run = 0; run < 1_000; run += 1) {
      const { relays } = mendEpoch({ number: 1, endsAtMs: 1, relays: [] }, keys(10), random);
      expect(new Set(relays).size).toBe(2);
      for (const relay of relays) drawn.set(relay, (drawn.get(relay) ?? 0) + 1);
    }
    expect(drawn.size).toBe(10);
    for (const times of drawn.values()) expect(Math.abs(times - 200)).toBeLessThan(60);
  });

  test("keeps its relays while they are there, and replaces those that are gone", () => {
    const random = seededRandom("gone");
    const epoch = mendEpoch({ number: 1, endsAtMs: 1, relays: [] }, keys(10), random);
    expect(mendEpoch(epoch, keys(20), random)).toBe(epoch);
    const [gone, kept] = epoch.relays as [PublicKey, PublicKey];
    const mended = mendEpoch(
      epoch,
      keys(10).filter((key) => key !== gone),
      random,
    );
    expect(mended.relays).toHaveLength(2);
    expect(mended.relays).toContain(kept);
    expect(mended.relays).not.toContain(gone);
    expect(mended.number).toBe(1);
  });

  test.each([0, 1, 2])("with %i neighbours it has as many relays", (count) => {
    const random = seededRandom("few");
    const epoch = mendEpoch({ number: 1, endsAtMs: 1, relays: [] }, keys(count), random);
    expect(epoch.relays).toHaveLength(count);
    expect(mendEpoch(epoch, keys(count), random)).toBe(epoch);
  });

  test("is another in each node of one mesh: no member can tell whom others have chosen", () => {
    const choices = ["one node", "another node", "a third"].map((seed) =>
      [0, 1, 2, 3].map(
        () => mendEpoch({ number: 1, endsAtMs: 1, relays: [] }, keys(200), seededRandom(seed)).relays,
      ),
    );
    expect(new Set(choices.map((choice) => JSON.stringify(choice))).size).toBe(3);
  });
});

test("the epoch manager begins a new epoch when one ends, and ends with its task", async () => {
  const clock = new ManualClock();
  const manager = new EpochManager(clock, seededRandom("manager"), () => keys(6));
  const end = new AbortController();
  const task = manager.run(end.signal);
  expect(manager.current.number).toBe(1);
  const before = manager.relays(keys(6));
  const seen = new Set([before.join()]);
  clock.advance(manager.current.leftMs + 1);
  await settle();
  for (let number = 2; number < 8; number += 1) {
    expect(manager.current).toMatchObject({ number, relays: 2 });
    seen.add(manager.relays(keys(6)).join());
    clock.advance(EPOCH_MS);
    await settle();
  }
  expect(seen.size).toBeGreaterThan(3);
  end.abort();
  await task;
  expect(clock.pendingTimers).toBe(0);
});
