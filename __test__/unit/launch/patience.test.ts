import { describe, expect, test } from "vitest";
import { Patience, RestartPatience, type Signs } from "../../../src/launch/patience.ts";
import { ManualClock } from "../support/manualClock.ts";

const asleep: Signs = { pid: 7, step: "lock", busy: false };

function polls(signsAt: (ms: number) => Signs, endMs: number): string[] {
  const clock = new ManualClock();
  const patience = new Patience(clock);
  const verdicts: string[] = [];
  for (let ms = 0; ms <= endMs; ms += 100) {
    verdicts.push(patience.judge(signsAt(ms)));
    clock.advance(100);
  }
  return verdicts;
}

const lastWait = (verdicts: readonly string[]): number => verdicts.lastIndexOf("wait") * 100;

describe("a start is waited for", () => {
  test("2 s without a sign", () => {
    const verdicts = polls(() => asleep, 3000);
    expect(lastWait(verdicts)).toBe(1900);
    expect(verdicts.at(20)).toBe("stuck");
  });

  test("2 s after the last step, or the last new process", () => {
    expect(lastWait(polls((ms) => ({ ...asleep, step: ms < 1500 ? null : "routes" }), 5000))).toBe(3400);
    expect(lastWait(polls((ms) => ({ ...asleep, pid: ms < 1000 ? 7 : 8 }), 5000))).toBe(2900);
  });

  test("as long as it is at work, but 15 s in all", () => {
    const verdicts = polls(() => ({ ...asleep, busy: true }), 16_000);
    expect(lastWait(verdicts)).toBe(14_900);
    expect(verdicts.at(150)).toBe("too long");
  });
});

describe("a restart is waited for", () => {
  const lastsFor = (signsAt: (ms: number) => Signs, endMs: number): number => {
    const clock = new ManualClock();
    const patience = new RestartPatience(clock);
    for (let ms = 0; ms <= endMs; ms += 100) {
      if (!patience.lasts(signsAt(ms))) return ms;
      clock.advance(100);
    }
    return endMs;
  };

  test("through an end that sleeps, and through a start of any length that goes on", () => {
    const slow = (ms: number): Signs => ({
      ...asleep,
      busy: ms >= 12_000,
      step: ms < 12_000 ? null : `step ${Math.floor(ms / 9_000)}`,
    });
    expect(lastsFor(slow, 60_000)).toBe(60_000);
  });

  test("but not when its end takes too long, or its start sleeps", () => {
    expect(lastsFor(() => ({ ...asleep, step: null }), 60_000)).toBe(15_000);
    expect(lastsFor((ms) => ({ ...asleep, step: ms < 3_000 ? null : "lock" }), 60_000)).toBe(5_000);
  });
});
