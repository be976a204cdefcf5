import { describe, expect, test } from "vitest";
import { Usability } from "../../../src/mesh/usability.ts";
import { keyOf } from "./peers.ts";

const key = keyOf(1);

describe("Usability", () => {
  test("a peer that failed is not usable before it was heard for ten seconds", () => {
    const usability = new Usability();
    expect(usability.isUsable(key, 0)).toBe(true);
    expect(usability.failed(key)).toBe(true);
    expect(usability.failed(key)).toBe(false);
    expect(usability.isUsable(key, 1_000_000)).toBe(false);
    usability.heard(key, 1_000_000);
    usability.heard(key, 1_009_000);
    expect(usability.isUsable(key, 1_009_999)).toBe(false);
    expect(usability.isUsable(key, 1_010_000)).toBe(true);
    expect([...usability.doubted]).toEqual([]);
  });

  test("one that fails again starts anew, one that is forgotten is as new", () => {
    const usability = new Usability();
    usability.failed(key);
    usability.heard(key, 1_000);
    usability.failed(key);
    expect(usability.isUsable(key, 11_000)).toBe(false);
    expect([...usability.doubted]).toEqual([key]);
    usability.forget(key);
    expect(usability.isUsable(key, 11_000)).toBe(true);
  });

  test("hearing one that never failed is nothing", () => {
    const usability = new Usability();
    usability.heard(key, 0);
    expect([...usability.doubted]).toEqual([]);
  });
});
