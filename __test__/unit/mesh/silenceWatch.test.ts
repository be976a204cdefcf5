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

/** Half a second passes in which so much is sent and heard. */
function half(sent: number, heard: number): Look {
  nowMs += 500;
  traffic = { ...traffic, txBytes: traffic.txBytes + sent, rxBytes: traffic.rxBytes + heard };
  return silence.look([traffic], nowMs, WALL_MS);
}

const told = ({ ask, doubtful, silent, heard }: Look): string =>
  Object.entries({ ask, doubtful, silent, heard })
    .filter(([, peers]) => peers.length > 0)
    .map(([name]) => name)
    .join(" ");

const halves = (count: number, sent: number): string[] =>
  Array.from({ length: count }, () => told(half(sent, 0)));

describe("a peer is silent", () => {
  test("when it answers neither pings nor what it is asked; each step is told once", () => {
    expect([told(half(128, 128)), told(half(128, 128))]).toEqual(["", ""]);
    expect(halves(8, 128)).toEqual(["", "ask", "ask doubtful", "ask", "silent", "", "", ""]);
    expect(told(half(128, 1))).toBe("heard");
    expect(told(half(128, 1))).toBe("");
  });

  test("and heard when it is back, also after its session has ended", () => {
    half(128, 128);
    expect(halves(8, 128).join(" ")).toContain("silent");
    const { lastHandshakeMs } = traffic;
    traffic = { ...traffic, lastHandshakeMs: WALL_MS - 600_000 };
    expect(halves(4, 148)).toEqual(["", "", "", ""]);
    traffic = { ...traffic, lastHandshakeMs };
    expect([told(half(128, 128)), told(half(128, 128))]).toEqual(["heard", ""]);
  });

  test("not when one message was sent that needs no answer, such as gossip: nor is it asked", () => {
    half(128, 128);
    expect([told(half(1_200, 0)), ...halves(20, 0)]).toEqual(Array.from({ length: 21 }, () => ""));
    const looks = [half(1_200, 60), ...Array.from({ length: 6 }, () => half(0, 0))];
    expect(looks.at(-1)?.waits).toBe(false);
  });

  test("not when a question after its health goes out while it is read, seconds after a message that needs no answer", () => {
    half(128, 128);
    half(1_200, 0);
    nowMs += 9_000;
    // On one beat the reconciler reads, and so does who looks for what was sent.
    expect(told(half(96, 0))).toBe("ask");
    nowMs -= 500;
    expect(told(half(96, 0))).toBe("ask");
    expect(told(half(0, 192))).toBe("");
  });

  test("not when it answers only what it is asked: some peers only listen", () => {
    half(128, 128);
    for (let times = 0; times < 60; times += 1) {
      expect(told(half(1_000, 0))).toBe("");
      expect(told(half(1_000, 0))).toBe("ask");
      expect(told(half(1_000, 60))).toBe("");
    }
  });

  test("not when nothing is sent to it", () => {
    expect(new Set(halves(120, 0))).toEqual(new Set([""]));
  });

  test("not when keepalives are sent that it has no need to answer", () => {
    for (let times = 0; times < 120; times += 1) {
      expect(told(half(times % 50 === 0 ? 32 : 0, times % 50 === 25 ? 32 : 0))).toBe("");
    }
  });

  test("not while it is not connected: then nobody expects an answer", () => {
    for (const lastHandshakeMs of [WALL_MS - 200_000, 0]) {
      traffic = { ...traffic, lastHandshakeMs };
      expect(new Set(halves(20, 500))).toEqual(new Set([""]));
    }
  });

  test("not because its counters began anew", () => {
    half(500, 500);
    traffic = { ...traffic, rxBytes: 0, txBytes: 0 };
    expect(halves(6, 10)).toEqual(["", "", "", "", "", ""]);
  });

  test("a node that lost its network asks few at a time", () => {
    const peers = (sent: number): Traffic[] =>
      Array.from({ length: 50 }, (_, index) => ({ ...traffic, publicKey: keyOf(index), txBytes: sent }));
    silence.look(peers(0), 0, WALL_MS);
    silence.look(peers(128), 500, WALL_MS);
    const { ask, waits } = silence.look(peers(256), 1_000, WALL_MS);
    expect(ask).toHaveLength(8);
    expect(waits).toBe(true);
  });
});

describe("it is worth looking again soon", () => {
  test("while more than keepalives is sent, answered or not", () => {
    half(0, 0);
    expect([half(128, 0).busy, half(128, 128).busy, half(0, 0).busy]).toEqual([true, true, false]);
  });

  test("not for keepalives", () => {
    half(0, 0);
    expect(half(32, 32).busy).toBe(false);
  });

  test("not for a question after its health between two sweeps, but for a ping a second", () => {
    const busyAfter = (ms: number, sent: number): boolean => {
      nowMs += ms;
      traffic = { ...traffic, txBytes: traffic.txBytes + sent, rxBytes: traffic.rxBytes + sent };
      return silence.look([traffic], nowMs, WALL_MS).busy;
    };
    busyAfter(5_000, 0);
    expect([busyAfter(5_000, 208), busyAfter(5_000, 5 * 128), busyAfter(1_500, 128)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  test("not for what is sent to a peer that is not connected", () => {
    traffic = { ...traffic, lastHandshakeMs: WALL_MS - 200_000 };
    half(0, 0);
    expect(half(148, 0).busy).toBe(false);
  });
});

describe("the task", () => {
  const clock = new FakeClock(WALL_MS);
  let sent: number;
  let received: number;
  let total: number | null;
  let reads: number;
  let told: string[];
  let end: AbortController;
  let task: Promise<void>;
  let watch: SilenceWatch;

  const peers = (count = 1): Traffic[] =>
    Array.from({ length: count }, (_, index) => ({
      ...{ publicKey: keyOf(index), rxBytes: 0, txBytes: 0, lastHandshakeMs: clock.wallMs() },
      ...(index === 0 ? { txBytes: sent, rxBytes: received } : {}),
    }));

  /** So many pings, one a second, nothing of which is answered. */
  const pings = async (count: number): Promise<void> => {
    for (let times = 0; times < count; times += 1) {
      sent += 128;
      if (total !== null) total += 84;
      await clock.advance(1_000);
    }
  };

  beforeEach(() => {
    sent = 0;
    received = 0;
    total = 0;
    reads = 0;
    told = [];
    const beginMs = clock.monotonicMs();
    const tell = (what: string) => (): void => {
      told.push(`${what} ${(clock.monotonicMs() - beginMs) / 1_000}`);
    };
    watch = new SilenceWatch({
      clock,
      read: async () => {
        reads += 1;
        return peers();
      },
      sentBytes: () => total,
      ask: tell("ask"),
      doubtful: tell("doubtful"),
      silent: tell("silent"),
      heard: tell("heard"),
    });
    watch.noted(peers());
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

  test("reads nothing itself for questions after the health that others watch", async () => {
    for (let times = 0; times < 12; times += 1) {
      await clock.advance(5_000);
      // One peer is asked each 15 s; what the others are sent is not in this one's readings. The total leaves all of them out.
      if (times % 3 === 0) sent += 192;
      if (times % 3 === 0) received += 112;
      total = -times;
      watch.noted(peers());
    }
    expect([reads, told]).toEqual([0, []]);
  });

  test("tells of silence four to five seconds after the first ping, and then rests", async () => {
    await clock.advance(10_000);
    await pings(5);
    expect(told).toEqual(["ask 13.5", "ask 14", "doubtful 14", "silent 14.5"]);
    await clock.advance(2_000);
    const before = reads;
    await clock.advance(60_000);
    expect(reads).toBe(before);
  });

  test("a message that needs no answer is looked at once", async () => {
    await clock.advance(10_000);
    sent += 1_200;
    total = 1_200;
    for (let times = 0; times < 12; times += 1) {
      await clock.advance(4_000);
      watch.noted(peers());
      await clock.advance(1_000);
    }
    expect([reads, told]).toEqual([1, []]);
  });

  test("sees it by the readings of others where the interface's total is not known", async () => {
    total = null;
    await pings(5);
    expect(reads).toBe(0);
    watch.noted(peers());
    await pings(4);
    expect(told.at(-1)).toMatch(/^silent/);
  });

  test("leaves a thousand peers to those who read them anyhow", async () => {
    watch.noted(peers(1_000));
    await pings(2);
    watch.noted(peers(1_000));
    await pings(60);
    expect(reads).toBe(0);
  });

  test("ends when told to, also while it looks", async () => {
    await pings(1);
    end.abort();
    await task;
    const before = reads;
    await clock.advance(10_000);
    expect(reads).toBe(before);
  });
});
