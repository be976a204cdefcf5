import { expect, test } from "vitest";
import { ExitCode, errorTable, exitCodeOf, messageOf, WgmeshError } from "../../../src/core/errors.ts";

test("an error carries what the table says of its code, and a better hint where the place knows one", () => {
  const cause = new Error("EACCES");
  const error = new WgmeshError("ERR_NO_TUN", "no /dev/net/tun", { cause });
  expect(error).toMatchObject({ exitCode: ExitCode.system, hint: errorTable.ERR_NO_TUN.hint, cause });
  expect(new WgmeshError("ERR_NO_TUN", "x", { hint: "ask the host's owner" }).hint).toBe(
    "ask the host's owner",
  );
});

test("anything thrown has an exit code and a text", () => {
  expect(exitCodeOf(new WgmeshError("ERR_PORT", "x"))).toBe(ExitCode.usage);
  expect([exitCodeOf(new Error("x")), exitCodeOf("x")]).toEqual([ExitCode.failure, ExitCode.failure]);
  expect([messageOf(new Error("broken")), messageOf("text")]).toEqual(["broken", "text"]);
});

test("every hint says something", () => {
  for (const [code, { hint }] of Object.entries(errorTable)) expect(hint, code).toMatch(/\w+ \S+/);
});
