import { beforeEach, describe, expect, test } from "vitest";
import { RelaySession } from "../../../src/discovery/relay/session.ts";
import { keyOf } from "../support/announcements.ts";

const START_MS = 10_000;
let session: RelaySession;

beforeEach(() => {
  session = new RelaySession("s", keyOf(1), keyOf(2), START_MS);
  session.verifiedAtMs = START_MS;
  session.heard(START_MS);
  session.moved({ rxPackets: 5, txPackets: 5 }, START_MS);
});

describe("a session is looked at", () => {
  test("every second for a while after it was used, then seldom and on a beat", () => {
    expect(session.nextAtMs(START_MS + 4_000)).toBe(START_MS + 5_000);
    expect(session.nextAtMs(START_MS + 10_000)).toBe(START_MS + 12_500);
  });

  test("every second while something was sent that nothing came after", () => {
    const nowMs = START_MS + 12_500;
    expect(session.nextAtMs(nowMs)).toBe(nowMs + 2_500);
    session.moved({ rxPackets: 6, txPackets: 5 }, nowMs);
    session.moved({ rxPackets: 6, txPackets: 6 }, nowMs);
    expect(session.nextAtMs(nowMs)).toBe(nowMs + 1_000);
  });

  test("when its echo is due, and soon again until that is answered", () => {
    expect(session.nextAtMs(START_MS + 29_500)).toBe(START_MS + 30_000);
    expect(session.takeEcho(START_MS + 30_000)).toBe(true);
    expect(session.nextAtMs(START_MS + 30_000)).toBeLessThanOrEqual(START_MS + 31_000);
    session.heard(START_MS + 30_100);
    expect(session.nextAtMs(START_MS + 40_100)).toBe(START_MS + 42_500);
  });
});
