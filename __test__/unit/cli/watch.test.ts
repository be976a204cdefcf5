import { describe, expect, test } from "vitest";
import { withNotice, withProgress } from "../../../src/cli/progress.ts";
import { parseSince } from "../../../src/cli/since.ts";
import type { Terminal } from "../../../src/cli/terminal.ts";
import { drawAgain } from "../../../src/cli/watch.ts";
import { displayWidth, elide } from "../../../src/cli/width.ts";
import { WgmeshError } from "../../../src/core/errors.ts";
import { ManualClock } from "../support/manualClock.ts";
import { settle } from "../support/settle.ts";

function terminal(change: Partial<Terminal> = {}): Terminal & { shown: string[]; clock: ManualClock } {
  const shown: string[] = [];
  const say = (text: string): void => void shown.push(text);
  const clock = new ManualClock();
  const drained = (): Promise<void> => Promise.resolve();
  return {
    ...{ out: say, err: say, drained, columns: 80, rows: 24, showsProgress: true, env: {} },
    ...{ shown, ...change, clock },
  };
}

describe("--watch", () => {
  test("draws over what is there, and says what does not fit", async () => {
    const screen = terminal({ rows: 4 });
    let round = 0;
    void drawAgain(screen, 2_000, async () => {
      round += 1;
      return Array.from({ length: round + 2 }, (_, line) => `${round}.${line}\n`).join("");
    });
    await settle();
    screen.clock.advance(2_000);
    await settle();
    expect(screen.shown).toEqual([
      "\x1b[2J",
      "\x1b[H1.0\x1b[K\n1.1\x1b[K\n1.2\x1b[K\n\x1b[J",
      "\x1b[H2.0\x1b[K\n2.1\x1b[K\n… 2 more lines\x1b[K\n\x1b[J",
    ]);
  });

  test("waits for a daemon that restarts, and ends with what else goes wrong", async () => {
    const screen = terminal({ rows: null });
    const answers = ["here\n", new WgmeshError("ERR_NOT_RUNNING", "gone"), "back\n", new TypeError("broken")];
    const drawing = drawAgain(screen, 100, async () => {
      const answer = answers.shift();
      if (typeof answer === "string") return answer;
      throw answer;
    });
    const ended = expect(drawing).rejects.toThrow("broken");
    for (let round = 0; round < 4; round += 1) {
      await settle();
      screen.clock.advance(100);
    }
    await ended;
    expect(screen.shown).toEqual(["here\n", "gone\n", "back\n"]);
  });

  test("fails at once when the first try does", async () => {
    const drawing = drawAgain(terminal(), 100, () =>
      Promise.reject(new WgmeshError("ERR_NOT_RUNNING", "no")),
    );
    await expect(drawing).rejects.toThrow("no");
  });
});

describe("the progress line", () => {
  test("comes after half a second, counts, and goes", async () => {
    const screen = terminal();
    let finish = (_value: number): void => {};
    const result = withProgress(
      screen,
      "checking",
      () =>
        new Promise<number>((resolve) => {
          finish = resolve;
        }),
    );
    screen.clock.advance(499);
    expect(screen.shown).toEqual([]);
    screen.clock.advance(301);
    expect(screen.shown).toEqual(["\r\x1b[Kchecking … 0.5 s", "\r\x1b[Kchecking … 0.8 s"]);
    finish(7);
    expect(await result).toBe(7);
    expect(screen.shown.at(-1)).toBe("\r\x1b[K");
    expect(screen.clock.pendingTimers).toBe(0);
  });

  test("is one alone, and makes room for a question", async () => {
    const screen = terminal();
    const lines: string[] = [];
    await withProgress(screen, "starting", async (quietly) => {
      await withProgress(screen, "waiting", async () => screen.clock.advance(600));
      lines.push(...screen.shown.splice(0));
      await quietly(async () => screen.clock.advance(60_000));
      lines.push("asked", ...screen.shown.splice(0));
      screen.clock.advance(500);
    });
    lines.push("answered", ...screen.shown);
    expect(lines).toEqual([
      "\r\x1b[Kstarting … 0.5 s",
      "asked",
      "\r\x1b[K",
      "answered",
      "\r\x1b[Kstarting … 1 m 1 s",
      "\r\x1b[K",
    ]);
    expect(screen.clock.pendingTimers).toBe(0);
  });

  test("of what lets no timer run is there from the beginning", async () => {
    const [screen, file] = [terminal(), terminal({ showsProgress: false })];
    await expect(withNotice(screen, "installing", () => Promise.reject(new Error("no")))).rejects.toThrow(
      "no",
    );
    expect([screen.shown, await withNotice(file, "installing", () => 3), file.shown]).toEqual([
      ["installing …", "\r\x1b[K"],
      3,
      [],
    ]);
  });

  test("is not for files and pipes, nor for what is quick", async () => {
    const [file, quick] = [terminal({ showsProgress: false }), terminal()];
    const slow = withProgress(file, "checking", async () => {
      file.clock.advance(5_000);
      return 1;
    });
    expect([await slow, await withProgress(quick, "checking", async () => 2)]).toEqual([1, 2]);
    expect([file.shown, quick.shown]).toEqual([[], []]);
  });
});

test.each([
  ["90s", -90_000],
  ["2h", -7_200_000],
  ["7d", -604_800_000],
])("--since %s is that long ago", (text, fromNow) => {
  expect(parseSince(text, 1_000_000_000_000)).toBe(1_000_000_000_000 + fromNow);
});

test("--since takes RFC 3339 and now, and nothing else", () => {
  expect(parseSince("2026-01-01T01:00:00+01:00", 0)).toBe(Date.parse("2026-01-01T00:00:00Z"));
  expect(parseSince("now", 4711)).toBe(4711);
  expect(parseSince("2026-01-01", 0)).toBe(Date.parse("2026-01-01T00:00:00Z"));
  for (const text of ["", "yesterday", "5", "2026", "-2h", "2026-13-01", "1y"]) {
    expect(() => parseSince(text, 0)).toThrow("is no time");
  }
});

describe("columns of a terminal", () => {
  test.each([
    ["", 0],
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["節点", 4],
    ["ノード1", 7],
    ["노드", 4],
    ["🦊", 2],
    ["👩‍🔧x", 3],
  ])("%s takes %d", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("text is cut between letters", () => {
    expect(elide("節点節点", 6)).toBe("節点…");
    expect(elide("節点節点", 8)).toBe("節点節点");
    expect(elide("abcdef", 4)).toBe("abc…");
  });
});
