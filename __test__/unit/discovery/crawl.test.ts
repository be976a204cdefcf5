import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { Crawl, type Heard } from "../../../src/discovery/crawl.ts";
import { testKey } from "./memoryMesh.ts";

const NEWS: Heard = { news: true, noPlace: false, answer: true };
const NO_NEWS: Heard = { news: false, noPlace: false, answer: true };
const NO_PLACE: Heard = { news: false, noPlace: true, answer: true };
/** Peers known, so many that it looks again. */
const MANY = 100;
const FEW = 5;
const nobody = (): null => null;
const [a, b, c, d] = ["a", "b", "c", "d"].map(testKey) as [PublicKey, PublicKey, PublicKey, PublicKey];

/** Nodes that draw 0 wait for the whole time between looks. */
const newCrawl = (): Crawl => new Crawl(() => 0);

/** The times at which `asked` is asked when nobody tells news any more after `fromMs`. */
function timesAsked(crawl: Crawl, fromMs: number, asked: PublicKey): number[] {
  const times: number[] = [];
  for (let atMs = crawl.nextAtMs(); atMs !== null && atMs < fromMs + 3_600_000; atMs = crawl.nextAtMs()) {
    for (const { publicKey } of crawl.take(atMs, () => asked)) {
      times.push(atMs - fromMs);
      crawl.heard(publicKey, NO_NEWS, MANY, atMs);
    }
  }
  return times;
}

describe("a crawl", () => {
  test("asks three side by side, and each until two answers bring nothing new", () => {
    const crawl = newCrawl();
    for (const key of [a, b, c, d]) crawl.heard(key, { ...NEWS, answer: false }, MANY, 0);
    expect(crawl.take(249, nobody)).toEqual([]);
    expect(crawl.take(250, nobody).map(({ publicKey }) => publicKey)).toEqual([a, b, c]);
    crawl.heard(a, NO_NEWS, MANY, 300);
    expect(crawl.take(550, nobody)).toEqual([{ publicKey: a, round: 1 }]);
    crawl.heard(a, NO_NEWS, MANY, 600);
    expect(crawl.take(600, nobody)).toEqual([{ publicKey: d, round: 0 }]);
  });

  test("asks for more answers without news where one question tells only a part of whom we know", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, 3 * 192, 0);
    const asked = [250, 500, 750, 1_000, 1_250].map((atMs) => {
      const due = crawl.take(atMs, nobody);
      crawl.heard(a, NO_NEWS, 3 * 192, atMs);
      return due.map(({ round }) => round);
    });
    expect(asked).toEqual([[0], [1], [2], [3], []]);
  });

  test("asks somebody a few times more, ever more rarely, and then nobody", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, MANY, 0);
    // Whoever is asked once is asked until two answers bring nothing new.
    expect(timesAsked(crawl, 0, b)).toEqual([
      250, 500, 2_000, 2_250, 10_000, 10_250, 40_000, 40_250, 160_000, 160_250,
    ]);
    expect(crawl.nextAtMs()).toBeNull();
  });

  test("asks nobody more in a small mesh", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, FEW, 0);
    expect(crawl.take(250, nobody)).toEqual([{ publicKey: a, round: undefined }]);
    crawl.forget(a);
    expect(crawl.nextAtMs()).toBeNull();
  });

  test("begins these anew with each news", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, MANY, 0);
    timesAsked(crawl, 0, b);
    crawl.heard(c, NEWS, MANY, 500_000);
    expect(timesAsked(crawl, 500_000, b)).toHaveLength(10);
  });

  test("does not ask all the nodes that started together at the same instant", () => {
    const atMs = [0, 0.5, 0.75].map((unit) => {
      const crawl = new Crawl(() => unit);
      crawl.heard(a, NEWS, MANY, 0);
      crawl.forget(a);
      return crawl.nextAtMs();
    });
    expect(atMs).toEqual([2_000, 1_500, 1_250]);
  });

  test("has nobody to ask when there is nobody with a tunnel", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, MANY, 0);
    crawl.forget(a);
    expect(crawl.take(2_000, nobody)).toEqual([]);
    expect(crawl.nextAtMs()).toBe(10_000);
  });

  test("waits for a place for those that it is told of, and not for ever", () => {
    const crawl = newCrawl();
    crawl.heard(a, NEWS, MANY, 0);
    const times: number[] = [];
    for (let atMs = 250; atMs < 600_000; atMs += 250) {
      if (crawl.take(atMs, nobody).length === 0) continue;
      times.push(atMs);
      crawl.heard(a, NO_PLACE, MANY, atMs);
    }
    expect(times.slice(0, 3)).toEqual([250, 2_250, 4_250]);
    expect(times.at(-1)).toBeLessThan(40_000);
  });
});
