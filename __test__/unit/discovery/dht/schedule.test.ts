import { describe, expect, test } from "vitest";
import { DhtSchedule, hoursAt } from "../../../../src/discovery/dht/schedule.ts";

const HOUR = 3_600_000;
const at = (hour: number, minutes: number): number => hour * HOUR + minutes * 60_000;

describe("hours that count", () => {
  test("are the current and the previous, and near its end the next", () => {
    expect(hoursAt(at(490_896, 0))).toEqual([490_896, 490_895]);
    expect(hoursAt(at(490_896, 49.9))).toEqual([490_896, 490_895]);
    expect(hoursAt(at(490_896, 50))).toEqual([490_896, 490_895, 490_897]);
    expect(hoursAt(at(490_896, 59.99))).toEqual([490_896, 490_895, 490_897]);
  });

  test("have one in common for clocks that are 5, 11 and 61 minutes apart", () => {
    for (const apart of [5, 11, 61]) {
      for (let minute = 0; minute < 60; minute += 1) {
        const ours = hoursAt(at(100, minute));
        const theirs = hoursAt(at(100, minute + apart));
        expect(ours.filter((hour) => theirs.includes(hour))).not.toEqual([]);
      }
    }
  });
});

function schedule(): DhtSchedule {
  const made = new DhtSchedule(() => 0.5);
  made.setHours([10, 9], 0);
  return made;
}

describe("announcements", () => {
  test("are due at once, again soon until stored, then every 15 minutes", () => {
    const made = schedule();
    expect(made.takeAnnouncements(0)).toEqual([10, 9]);
    expect(made.takeAnnouncements(0)).toEqual([]);
    made.announced(9, true, 100);
    const tries: number[] = [];
    let nowMs = 100;
    for (let round = 0; round < 8; round += 1) {
      made.announced(10, false, nowMs);
      expect(made.takeAnnouncements(nowMs)).toEqual([]);
      const before = nowMs;
      while (made.takeAnnouncements(nowMs).length === 0) nowMs += 100;
      tries.push(nowMs - before);
    }
    expect(tries).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000, 30_000]);
    expect(made.stored).toEqual({ count: 1, of: 2 });
    made.announced(10, true, nowMs);
    expect(made.stored).toEqual({ count: 2, of: 2 });
    expect(made.takeAnnouncements(900_000)).toEqual([]);
    expect(made.takeAnnouncements(900_100)).toEqual([9]);
  });

  test("that changed while they were under way are made again", () => {
    const made = schedule();
    made.takeAnnouncements(0);
    made.announceAnew(50);
    expect(made.takeAnnouncements(60)).toEqual([]);
    made.announced(10, true, 100);
    expect(made.takeAnnouncements(100)).toEqual([10]);
    made.announced(10, true, 200);
    expect(made.takeAnnouncements(200)).toEqual([]);
    made.announceAnew(300);
    expect(made.takeAnnouncements(300)).toEqual([10]);
  });

  test("of an hour that is over end, and the new one's begin", () => {
    const made = schedule();
    made.takeAnnouncements(0);
    made.announced(10, true, 10);
    made.announced(9, true, 10);
    made.setHours([11, 10], 1_000);
    expect(made.takeAnnouncements(1_000)).toEqual([11]);
    made.announced(9, true, 1_000);
    expect(made.stored).toEqual({ count: 1, of: 2 });
  });
});

describe("look-ups", () => {
  /** When the current hour is looked up within `untilMs`, each answered at once. */
  function lookups(made: DhtSchedule, peers: number, untilMs: number): [number, number[]][] {
    const seen: [number, number[]][] = [];
    for (let nowMs = 0; nowMs <= untilMs; nowMs += 100) {
      const hours = made.takeLookups(() => peers, nowMs);
      if (hours.length > 0) seen.push([nowMs, hours]);
      for (const hour of hours) made.lookedUp(hour);
    }
    return seen;
  }

  test("come fast at first, then every 30 s, every 60 s with many peers; other hours now and then", () => {
    const few = lookups(schedule(), 0, 120_000);
    expect(few.map(([atMs]) => atMs)).toEqual([
      0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 45_000, 75_000, 105_000,
    ]);
    expect(few.map(([, hours]) => hours.length)).toEqual([2, 1, 1, 1, 2, 1, 1, 1, 2, 1]);
    const many = lookups(schedule(), 3, 120_000);
    expect(many.map(([atMs]) => atMs).slice(-2)).toEqual([15_000, 75_000]);
  });

  test("of one hour do not overlap, and after a stall there is one", () => {
    const made = schedule();
    expect(made.takeLookups(() => 0, 0)).toEqual([10, 9]);
    expect(made.takeLookups(() => 0, 500)).toEqual([]);
    made.lookedUp(10);
    expect(made.takeLookups(() => 0, 10_000)).toEqual([10]);
    expect(made.takeLookups(() => 0, 10_000)).toEqual([]);
  });

  test("begin anew when something changed, and sooner when nothing is heard", () => {
    const made = schedule();
    lookups(made, 0, 20_000);
    made.hurry(20_000);
    expect(made.nextAtMs()).toBeLessThanOrEqual(20_000);
    expect(made.takeLookups(() => 0, 20_000)).toEqual([10, 9]);
    for (const hour of [10, 9]) made.lookedUp(hour);
    const calm = schedule();
    lookups(calm, 0, 20_000);
    calm.lookSoon(25_000);
    expect(calm.takeLookups(() => 0, 24_900)).toEqual([]);
    expect(calm.takeLookups(() => 0, 25_000)).not.toEqual([]);
  });
});
