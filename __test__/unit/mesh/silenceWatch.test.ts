import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Look, Silence, SilenceWatch, type Traffic } from "../../../src/mesh/silenceWatch.ts";
import { FakeClock } from "../discovery/fakeClock.ts";
import { keyOf } from "../support/announcements.ts";

const WALL_MS = 1_767_225_600_000;

let silence: Silence;
let nowMs: number;
let traffic: Traffic;

beforeEach(() => {
  silence = new Silence();
  nowMs = 0;
  traffic = { publicKey: keyOf(1), rxBytes: 1_000, txBytes: 1_000, lastHandshakeMs: WALL_MS - 60_000 };
});

const look = (): Look => silence.look([traffic], nowMs, WALL_MS);

/** A second passes in which so much is sent and heard; true when the peer is silent then. */
function second(sent: number, heard: number): boolean {
  nowMs += 1_000;
  traffic = { ...traffic, txBytes: traffic.txBytes + sent, rxBytes: traffic.rxBytes + heard };
  return look().silent.length > 0;
}

describe("a peer is silent", () => {
  test("when pings to it stay unanswered for three seconds", () => {
    expect([second(128, 128), second(128, 128)]).toEqual([false, false]);
    expect([second(128, 0), second(128, 0), second(128, 0)]).toEqual([false, false, true]);
    expect(second(128, 1)).toBe(false);
  });

  test("not when nothing is sent to it", () => {
    for (let times = 0; times < 60; times += 1) expect(second(0, 0)).toBe(false);
  });

  test("not when keepalives alone are sent", () => {
    for (let times = 0; times < 60; times += 1) expect(second(times % 25 === 0 ? 32 : 0, 0)).toBe(false);
  });

  test("not while it is not connected: then nobody expects an answer", () => {
    traffic = { ...traffic, lastHandshakeMs: WALL_MS - 200_000 };
    for (let times = 0; times < 10; times += 1) expect(second(500, 0)).toBe(false);
    traffic = { ...traffic, lastHandshakeMs: 0 };
    for (let times = 0; times < 10; times += 1) expect(second(500, 0)).toBe(false);
  });

  test("not because its counters began anew", () => {
    second(500, 500);
    traffic = { ...traffic, rxBytes: 0, txBytes: 0 };
    expect([second(10, 0), second(10, 0), second(10, 0), second(10, 0)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("it is worth looking again soon", () => {
  test("while more than keepalives is sent, answered or not", () => {
    look();
    traffic = { ...traffic, txBytes: traffic.txBytes + 128 };
    expect(look().busy).toBe(true);
    traffic = { ...traffic, txBytes: traffic.txBytes + 128, rxBytes: traffic.rxBytes + 128 };
    expect(look().busy).toBe(true);
    expect(look().busy).toBe(false);
  });

  test("not for keepalives", () => {
    look();
    traffic = { ...traffic, txBytes: traffic.txBytes + 32, rxBytes: traffic.rxBytes + 32 };
    expect(look().busy).toBe(false);
  });

  test("not for what is sent to a peer that is not connected", () => {
    traffic = { ...traffic, lastHandshakeMs: WALL_MS - 200_000 };
    look();
    traffic = { ...traffic, txBytes: traffic.txBytes + 148 };
    expect(look().busy).toBe(false);
  });
});

describe("the task", () => {
  const clock = new FakeClock(WALL_MS);
  let sent: number;
  let reads: number;
  let told: number[];
  let end: AbortController;
  let task: Promise<void>;
  let watch: SilenceWatch;

  const peers = (count = 1): Traffic[] =>
    Array.from({ length: count }, (_, index) => ({
      ...{ publicKey: keyOf(index), rxBytes: 0, txBytes: 0, lastHandshakeMs: clock.wallMs() },
      ...(index === 0 ? { txBytes: sent } : {}),
    }));

  beforeEach(() => {
    sent = 0;
    reads = 0;
    told = [];
    watch = new SilenceWatch({
      clock,
      read: async () => {
        reads += 1;
        return peers();
      },
      silent: () => void told.push(clock.monotonicMs()),
    });
    end = new AbortController();
    task = watch.run(end.signal);
  });

  afterEach(async () => {
    end.abort();
    await task;
  });

  test("reads nothing itself while nothing is sent", async () => {
    for (let times = 0; times < 12; times += 1) {
      watch.noted(peers());
      await clock.advance(5_000);
    }
    expect([reads, told]).toEqual([0, []]);
  });

  test("looks often while something is sent, and tells of silence within five seconds", async () => {
    watch.noted(peers());
    const beginMs = clock.monotonicMs();
    await clock.advance(500);
    sent += 128;
    watch.noted(peers());
    for (let times = 0; times < 5; times += 1) {
      sent += 128;
      await clock.advance(1_000);
    }
    expect((told[0] ?? Number.POSITIVE_INFINITY) - beginMs).toBeLessThanOrEqual(5_000);
    const before = reads;
    await clock.advance(60_000);
    expect(reads - before).toBeLessThanOrEqual(2);
  });

  test("leaves a thousand peers to those who read them anyhow", async () => {
    watch.noted(peers(1_000));
    sent += 128;
    watch.noted(peers(1_000));
    await clock.advance(60_000);
    expect(reads).toBe(0);
  });

  test("ends when told to, also while it looks", async () => {
    watch.noted(peers());
    sent += 128;
    watch.noted(peers());
    end.abort();
    await task;
    await clock.advance(10_000);
    expect(reads).toBe(0);
  });
});
