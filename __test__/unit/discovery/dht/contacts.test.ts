import { describe, expect, test } from "vitest";
import { endpointText } from "../../../../src/core/types.ts";
import { DhtContacts } from "../../../../src/discovery/dht/contacts.ts";
import { seededRandom } from "../memoryMesh.ts";

const endpoint = (host: string, port = 52_000) => ({ host, port });

function contacts(): DhtContacts {
  const random = seededRandom("contacts");
  return new DhtContacts(0, () => random.unit());
}

describe("addresses found in the DHT", () => {
  test("are asked once, and again only after a while", () => {
    const made = contacts();
    made.found(endpoint("203.0.113.1"));
    expect(made.take(0)).toEqual([endpoint("203.0.113.1")]);
    const asked: number[] = [];
    for (let nowMs = 500; nowMs <= 600_000; nowMs += 500) {
      made.found(endpoint("203.0.113.1"));
      if (made.take(nowMs).length > 0) asked.push(nowMs);
    }
    expect(asked).toEqual([5_000, 10_000, 25_000, 85_000, 145_000, 205_000, 505_000]);
  });

  test("nobody names any more are not asked again", () => {
    const made = contacts();
    made.found(endpoint("203.0.113.1"));
    made.take(0);
    expect(made.nextAtMs(1)).toBe(Number.POSITIVE_INFINITY);
    expect(made.take(600_000)).toEqual([]);
  });

  test("that no host can have are left out", () => {
    const made = contacts();
    const bad = [
      "0.0.0.0",
      "127.0.0.1",
      "224.0.0.1",
      "169.254.1.1",
      "255.255.255.255",
      "::1",
      "fe80::1",
      "x",
    ];
    expect(bad.filter((host) => made.found(endpoint(host)))).toEqual([]);
    expect(made.found(endpoint("203.0.113.1", 0))).toBe(false);
    expect(made.size).toBe(0);
  });

  test("ten thousand of them are asked ten a second, and a real one among them is met", () => {
    const made = contacts();
    const random = seededRandom("flood");
    const asked = new Map<string, number>();
    const perSecond: number[] = [];
    const bogus = (index: number) =>
      endpoint(`198.${18 + (index >> 12)}.${(index >> 4) & 255}.${index & 15}`);
    for (let round = 0; round < 40; round += 1) {
      // The engine tells so many of a look-up, in no order.
      const place = Math.floor(random.unit() * 2_000);
      for (let count = 0; count < 2_000; count += 1) {
        made.found(count === place ? endpoint("203.0.113.1") : bogus(Math.floor(random.unit() * 10_000)));
      }
      for (let second = 0; second < 30; second += 1) {
        let count = 0;
        for (let ms = 0; ms < 1_000; ms += 100) {
          for (const to of made.take((round * 30 + second) * 1_000 + ms)) {
            count += 1;
            asked.set(endpointText(to), (asked.get(endpointText(to)) ?? 0) + 1);
          }
        }
        perSecond.push(count);
      }
    }
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(30);
    expect(perSecond.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(20 + 10 * 40 * 30);
    expect(made.size).toBe(512);
    expect(Math.max(...asked.values())).toBeLessThanOrEqual(10);
    expect(asked.has("203.0.113.1:52000")).toBe(true);
  });

  test("ten thousand ports of one victim are sixteen at most", () => {
    const made = contacts();
    for (let port = 1; port <= 10_000; port += 1) made.found(endpoint("203.0.113.9", port));
    expect(made.size).toBe(16);
  });
});
