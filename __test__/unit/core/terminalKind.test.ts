import { expect, test } from "vitest";
import { isColourless, isDumb, isUtf8 } from "../../../src/core/terminalKind.ts";

test("colours are off by NO_COLOR, unless it is empty, and on a terminal that has none", () => {
  expect(isColourless({ TERM: "xterm" })).toBe(false);
  expect(isColourless({ TERM: "xterm", NO_COLOR: "" })).toBe(false);
  expect(isColourless({ TERM: "xterm", NO_COLOR: "1" })).toBe(true);
  expect(isColourless({ TERM: "dumb" })).toBe(true);
  expect([isDumb({}), isDumb({ TERM: "dumb" }), isDumb({ TERM: "xterm" })]).toEqual([false, true, false]);
});

test.each([
  [{}, false],
  [{ LANG: "C" }, false],
  [{ LANG: "de_DE.UTF-8" }, true],
  [{ LANG: "C.utf8" }, true],
  [{ LANG: "en_US.ISO-8859-1" }, false],
  [{ LANG: "de_DE.UTF-8", LC_ALL: "C" }, false],
  [{ LANG: "C", LC_CTYPE: "C.UTF-8" }, true],
  [{ LANG: "C.UTF-8", LC_ALL: "" }, true],
])("%j is UTF-8: %s", (env, wanted) => {
  expect(isUtf8(env)).toBe(wanted);
});
