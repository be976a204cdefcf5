import fc from "fast-check";
import { expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { firstAfter, KeyOrder } from "../../../src/peers/keyOrder.ts";

const someKey = fc.constantFrom(..."abcdefgh".split("")) as fc.Arbitrary<PublicKey>;

test("keys that come and go in any order are in order, each once", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), someKey)), (steps) => {
      const order = new KeyOrder();
      const expected = new Set<PublicKey>();
      for (const [isAdded, key] of steps) {
        order[isAdded ? "add" : "delete"](key);
        expected[isAdded ? "add" : "delete"](key);
        expect(order.keys).toEqual([...expected].sort());
      }
    }),
  );
});

test("the first key that follows another is found, be that among them or not", () => {
  const keys = ["b", "d", "f"] as PublicKey[];
  const after = (key: string): number => firstAfter(keys, key as PublicKey);
  expect(["a", "b", "c", "f", "g"].map(after)).toEqual([0, 1, 1, 3, 3]);
});
