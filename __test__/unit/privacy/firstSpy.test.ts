import { expect, test } from "vitest";
import { firstSpy, type Outcome, type Way } from "../../../bench/privacy/firstSpy.ts";
import { Schedule } from "../../../bench/privacy/schedule.ts";
import { seededRandom } from "../support/seededRandom.ts";

/** The short form of the table in docs/privacy.md (`npm run bench:privacy`). */
const attack = { nodes: 200, spies: 0.2, announcements: 80 };
const against = (way: Way): Outcome => firstSpy(way, attack, seededRandom(`short ${way}`));

test("forty spies among 200 name the maker far less often by stem and fluff than without a stem, or by gossip", () => {
  const stem = against("stem and fluff");
  const fluff = against("fluff alone");
  const gossip = against("plain gossip");
  // About the share of spies, which is what guessing the predecessor of the first relay gives.
  expect(stem.success).toBeLessThan(0.3);
  expect(fluff.success).toBeGreaterThan(2 * stem.success);
  expect(gossip.success).toBeGreaterThan(1.5 * stem.success);
  // Did hop counts begin at 0, each success would be certain.
  expect(stem.certain).toBeGreaterThan(0);
  expect(stem.certain).toBeLessThan(stem.success / 2);
  // The stem costs next to nothing.
  expect(stem.messages).toBeLessThan(fluff.messages + 0.1);
  expect(stem.seconds).toBeLessThan(2);
});

test("the schedule of the simulation gives what is due in the order of time, then of adding", () => {
  const random = seededRandom("schedule");
  const schedule = new Schedule<number>();
  const times = Array.from({ length: 500 }, () => Math.floor(random.unit() * 50));
  for (const [number, atMs] of times.entries()) schedule.add(atMs, number);
  const expected = [...times.entries()].sort(([a, x], [b, y]) => x - y || a - b).map(([number]) => number);
  const taken: number[] = [];
  for (let next = schedule.take(); next !== null; next = schedule.take()) taken.push(next.what);
  expect(taken).toEqual(expected);
  expect(schedule.take()).toBeNull();
});
