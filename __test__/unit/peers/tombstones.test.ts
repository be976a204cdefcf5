import { expect, test } from "vitest";
import { Tombstones } from "../../../src/peers/tombstones.ts";
import { keyOf } from "../support/announcements.ts";

test("a mention is blocked whatever it claims to know", () => {
  const stones = new Tombstones();
  stones.add(keyOf(1), 1000, "0123456789abcdef", 0);
  const claim = { publicKey: keyOf(1), sentAtSeconds: 2000, instance: "fedcba9876543210" };
  expect(stones.blocks({ ...claim, method: "gossip-transitive" }, 1)).toBe(true);
  expect(stones.blocks({ ...claim, method: "gossip" }, 1)).toBe(false);
  expect(stones.size).toBe(0);
});

test("a mention passes it only when somebody has heard the peer since, and does not lift it", () => {
  const stones = new Tombstones();
  stones.add(keyOf(1), 1000, "", 0);
  const mention = { publicKey: keyOf(1), method: "dht-transitive" } as const;
  expect(stones.blocks({ ...mention, ageSeconds: 56 }, 60_000)).toBe(true);
  expect(stones.blocks({ ...mention, ageSeconds: 55 }, 60_000)).toBe(false);
  expect(stones.blocks({ ...mention, method: "dht", sentAtSeconds: 999 }, 60_000)).toBe(true);
  expect(stones.size).toBe(1);
});

test("old ones are forgotten, and there are never more than 1,024", () => {
  const stones = new Tombstones();
  for (let number = 0; number < 1030; number++) stones.add(keyOf(number), 0, "", number);
  expect(stones.size).toBe(1024);
  expect(stones.blocks({ publicKey: keyOf(5), method: "cache" }, 1030)).toBe(false);
  expect(stones.blocks({ publicKey: keyOf(6), method: "cache" }, 1030)).toBe(true);
  stones.forgetOld(600_000 + 29);
  expect(stones.size).toBe(1001);
});
