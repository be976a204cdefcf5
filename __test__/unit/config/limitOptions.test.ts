import { describe, expect, test } from "vitest";
import { parseTyped } from "../../../src/config/given.ts";
import { limitOptions, memorySize } from "../../../src/config/limitOptions.ts";
import { rowsOf } from "../../../src/config/schema.ts";
import { wgmeshd } from "../cli/run.ts";

const MEBIBYTE = 1024 * 1024;

describe("a size of memory", () => {
  test.each([
    ["256M", 256 * MEBIBYTE],
    ["256m", 256 * MEBIBYTE],
    ["1G", 1024 * MEBIBYTE],
    ["65536K", 64 * MEBIBYTE],
    ["100000000", 100_000_000],
    ["1024G", 1024 * 1024 * MEBIBYTE],
  ])("%s is %i bytes", (text, bytes) => {
    expect(memorySize(text, "--memory-limit")).toBe(bytes);
  });

  test.each(["", "M", "31M", "1025G", "1.5G", "-1G", "256MB", "256 M", "0x10000000"])(
    "%j is none",
    (text) => {
      expect(() => memorySize(text, "--memory-limit")).toThrow(
        expect.objectContaining({
          message: `--memory-limit: ${JSON.stringify(text)} is not a size of memory`,
          hint: expect.stringContaining("at least 32M"),
        }),
      );
    },
  );

  test("stands in a file as a text or as a number, which is how a kept one is written", () => {
    const row = rowsOf(limitOptions).find(([member]) => member === "memoryLimit")?.[1];
    if (row === undefined) throw new Error("there is no such row");
    expect(parseTyped(row, "256M", "x.toml:1: memory-limit")).toBe(256 * MEBIBYTE);
    expect(parseTyped(row, BigInt(256 * MEBIBYTE), "x.toml:1: memory-limit")).toBe(256 * MEBIBYTE);
    expect(() => parseTyped(row, true, "x.toml:1: memory-limit")).toThrow("the boolean true was found");
  });
});

test.each([
  [["--max-peers", "9"], "--max-peers", "use a whole number from 10 to 100000"],
  [["--max-peers", "100001"], "--max-peers", "use a whole number from 10 to 100000"],
  [["--threads", "0"], "--threads", "use a whole number from 1 to 64"],
  [["--threads", "65"], "--threads", "use a whole number from 1 to 64"],
  [["--up-hook", "bin/up"], "--up-hook", "begin it with /"],
  [["--down-hook", "/no/such/program"], "--down-hook", "name a program"],
])("%j is refused with what would be right", async (args, flag, hint) => {
  const { code, err } = await wgmeshd(args);
  expect(code).toBe(2);
  expect(err).toContain(flag);
  expect(err).toContain(hint);
});
