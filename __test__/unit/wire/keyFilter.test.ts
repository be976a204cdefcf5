import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import {
  type KeyFilter,
  keyFilter,
  keyFilterBytes,
  lacksKey,
  readKeyFilter,
  slicesFor,
} from "../../../src/wire/keyFilter.ts";
import { seededRandom } from "../support/seededRandom.ts";

const random = seededRandom("key filter");
const newKeys = (count: number): PublicKey[] =>
  Array.from({ length: count }, () => Buffer.from(random.bytes(32)).toString("base64") as PublicKey);

/** What comes out at the other end. */
function sent(filter: KeyFilter): KeyFilter {
  const read = readKeyFilter(keyFilterBytes(filter));
  if (read === undefined) throw new Error("it was not read");
  return read;
}

describe("a filter of known keys", () => {
  test.each([1, 3, 192, 193, 1_000, 5_000])("of %d keys never tells that one of them is unknown", (count) => {
    const keys = newKeys(count);
    for (let round = 0; round < slicesFor(count); round += 1) {
      const filter = sent(keyFilter(keys, round, random));
      expect(keys.filter((key) => lacksKey(filter, key))).toEqual([]);
    }
  });

  test.each([10, 250, 1_000])(
    "of %d keys tells of nearly all others that they are unknown, in a round of its slices",
    (count) => {
      const keys = newKeys(count);
      const others = newKeys(2_000);
      const found = new Set<PublicKey>();
      for (let round = 0; round < slicesFor(count); round += 1) {
        const filter = sent(keyFilter(keys, round, random));
        for (const key of others) if (lacksKey(filter, key)) found.add(key);
      }
      expect(found.size).toBeGreaterThan(1_900);
      // Another salt finds of what is left nearly all.
      for (let round = 0; round < slicesFor(count); round += 1) {
        const filter = sent(keyFilter(keys, round, random));
        for (const key of others) if (lacksKey(filter, key)) found.add(key);
      }
      expect(found.size).toBeGreaterThan(1_990);
    },
  );

  test("of nobody tells that all are unknown", () => {
    const filter = sent(keyFilter([], 0, random));
    expect(newKeys(100).every((key) => lacksKey(filter, key))).toBe(true);
  });

  test("takes no more of a datagram than leaves room for mentions", () => {
    for (const count of [0, 1, 192, 200, 1_000, 60_000])
      expect(keyFilterBytes(keyFilter(newKeys(count), 0, random)).length).toBeLessThanOrEqual(198);
  });

  test.each([
    ["nothing", []],
    ["a head alone", [1, 0, 0, 0, 0, 0]],
    ["half a head", [1, 0, 0]],
    ["no slices", [0, 0, 0, 0, 0, 0, 1]],
    ["a slice beyond the last", [2, 2, 0, 0, 0, 0, 1]],
    ["more bits than a datagram of ours has", [1, 0, 0, 0, 0, 0, ...Array.from({ length: 193 }, () => 1)]],
  ])("%s is none", (_, bytes) => {
    expect(readKeyFilter(Buffer.from(bytes))).toBeUndefined();
  });

  test("any bytes are read without harm", () => {
    for (let size = 0; size < 300; size += 1) {
      const filter = readKeyFilter(Buffer.from(random.bytes(size)));
      if (filter !== undefined) expect([true, false]).toContain(lacksKey(filter, newKeys(1)[0] as PublicKey));
    }
  });
});
