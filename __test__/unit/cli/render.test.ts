import { describe, expect, test } from "vitest";
import {
  agoText,
  byteText,
  durationText,
  factsText,
  jsonLine,
  jsonText,
  tableText,
} from "../../../src/cli/render.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [10_240, "10 KiB"],
  [1_048_576, "1.0 MiB"],
  [50_331_648, "48 MiB"],
  [1.5 * 2 ** 40, "1.5 TiB"],
  [2 ** 62, "4096 PiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(byteText(bytes)).toBe(text);
});

test.each([
  [-5, "0.0 s"],
  [400, "0.4 s"],
  [9_960, "10 s"],
  [59_499, "59 s"],
  [59_500, "1 m 0 s"],
  [185_000, "3 m 5 s"],
  [3_600_000, "1 h 0 m"],
  [86_400_000 * 4 + 3_600_000 * 7, "4 d 7 h"],
])("%d ms are %s", (milliseconds, text) => {
  expect(durationText(milliseconds)).toBe(text);
});

test("times are told as how long ago", () => {
  const now = Date.parse("2026-01-01T00:01:00Z");
  expect(agoText("2026-01-01T00:00:00Z", now)).toBe("1 m 0 s ago");
  expect(agoText("2026-01-01T00:02:00Z", now)).toBe("0.0 s ago");
  expect(agoText(null, now)).toBe("never");
});

describe("tables", () => {
  const rows = [
    ["a", "1"],
    ["longer", "22"],
  ];

  test("align their columns", () => {
    expect(tableText(["NAME", "N"], rows, null)).toBe("NAME    N\na       1\nlonger  22\n");
  });

  test("are cut to the terminal, and only there", () => {
    expect(tableText(["NAME", "N"], rows, 8)).toBe("NAME   …\na      …\nlonger …\n");
  });

  test("do not let a name steer the terminal", () => {
    const text = tableText(["HOST"], [["\x1b[2Jx\ny\u202e"]], null);
    expect(text).toBe("HOST\n\\u001b[2Jx\\u000ay\\u202e\n");
    expect(factsText([["host", "\x1b[2J"]], null)).toBe("  host  \\u001b[2J\n");
  });
});

test("JSON does not let a name steer the terminal either, and says the same", () => {
  // CSI as one character, a mark that turns the direction, one beyond the first 65,536, and what is fine.
  const value = { host: "a\u009b2Jb\u202e\u{e0041}\x7f\nц", "k\u0085": [] };
  for (const text of [jsonText(value), jsonLine(value)]) {
    expect(text.slice(0, -1).replaceAll("\n", "")).toMatch(/^[\x20-\x7eц]+$/);
    expect(JSON.parse(text)).toEqual(value);
  }
  expect(jsonLine(value).split("\n")).toHaveLength(2);
});
