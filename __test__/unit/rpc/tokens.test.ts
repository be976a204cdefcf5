import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { systemRandom } from "../../../src/core/random.ts";
import type { Caller } from "../../../src/rpc/caller.ts";
import { FailedTries } from "../../../src/rpc/failedTries.ts";
import { newToken, Tokens } from "../../../src/rpc/tokens.ts";
import { temporaryFolder } from "./fixtures.ts";

const admin = newToken("ann", "admin", systemRandom);
const reader = newToken("bob", "readonly", systemRandom);

describe("tokens", () => {
  test("are known by what is kept of them, with their name and role", () => {
    const tokens = Tokens.parse(`# callers\n${admin.line}\n\n${reader.line} # on the wall\n`, "tokens");
    expect(tokens.callerOf(admin.token)).toEqual({ kind: "token", name: "ann", role: "admin" });
    expect(tokens.callerOf(reader.token)).toEqual({ kind: "token", name: "bob", role: "readonly" });
    expect(tokens.callerOf("")).toBeNull();
    expect(tokens.callerOf(`${admin.token}x`)).toBeNull();
    expect(admin.line).not.toContain(admin.token);
  });

  test("who was let in stays so only with the same token, name and role", () => {
    const caller = Tokens.parse(admin.line, "t").callerOf(admin.token) as Caller;
    expect(Tokens.parse(admin.line, "t").stillHas(caller)).toBe(true);
    expect(Tokens.parse(admin.line.replace(" admin ", " readonly "), "t").stillHas(caller)).toBe(false);
    expect(Tokens.parse(admin.line.replace("ann", "eve"), "t").stillHas(caller)).toBe(false);
    // A token that got lost is replaced under its name.
    expect(Tokens.parse(newToken("ann", "admin", systemRandom).line, "t").stillHas(caller)).toBe(false);
    expect(Tokens.parse("", "t").stillHas(caller)).toBe(false);
  });

  test.each<[string, string, RegExp]>([
    ["no hash", "ann admin", /^tokens:1: ann has no hash/],
    ["a word too many", `\n${admin.line} more`, /^tokens:2: ann/],
    ["no such role", admin.line.replace("admin", "root"), /ann has no role/],
    ["a name twice", `${admin.line}\n${admin.line}`, /^tokens:2: ann is there twice/],
    ["no name", `-x admin sha256:${"0".repeat(64)}`, /"-x" is no name/],
    ["the token for its hash", `ann admin ${admin.token}`, /ann has no hash/],
  ])("a line that cannot be used is named: %s", (_what, text, message) => {
    expect(() => Tokens.parse(text, "tokens")).toThrow(message);
  });

  test("a file that others can write is not believed, and one that is missing is said", async () => {
    const file = path.join(temporaryFolder(), "tokens");
    await expect(Tokens.read(file)).rejects.toMatchObject({ code: "ERR_STATE_UNREADABLE" });
    writeFileSync(file, admin.line, { mode: 0o600 });
    expect((await Tokens.read(file)).callerOf(admin.token)?.role).toBe("admin");
    chmodSync(file, 0o622);
    await expect(Tokens.read(file)).rejects.toMatchObject({ code: "ERR_STATE_PERMISSIONS" });
  });

  test("are different each time", () => {
    expect(newToken("x", "admin", systemRandom).token).not.toBe(newToken("x", "admin", systemRandom).token);
    expect(() => newToken("a b", "admin", systemRandom)).toThrow(/no name/);
  });
});

describe("wrong tokens", () => {
  const fail = (tries: FailedTries, address: string, times: number, nowMs: number): void => {
    for (let i = 0; i < times; i += 1) tries.failed(address, nowMs);
  };

  test("of one source end its tries for a minute, those of others stand", () => {
    const tries = new FailedTries();
    fail(tries, "192.0.2.1", 9, 0);
    expect(tries.mayTry("192.0.2.1", 1000)).toBe(true);
    fail(tries, "192.0.2.1", 1, 1000);
    expect(tries.mayTry("192.0.2.1", 59_999)).toBe(false);
    expect(tries.mayTry("::ffff:192.0.2.1", 59_999)).toBe(false);
    expect(tries.mayTry("192.0.2.2", 59_999)).toBe(true);
    expect(tries.mayTry("192.0.2.1", 60_000)).toBe(true);
  });

  test("of one /64 are those of one source", () => {
    const tries = new FailedTries();
    fail(tries, "2001:db8::1", 10, 0);
    expect(tries.mayTry("2001:db8:0:0:1:2:3:4", 1)).toBe(false);
    expect(tries.mayTry("2001:db8:0:1::1", 1)).toBe(true);
  });
});
