import { beforeEach, expect, test } from "vitest";
import type { Endpoint, IpAddress } from "../../../src/core/types.ts";
import { QuietSources } from "../../../src/discovery/quietSources.ts";
import { keyOf } from "../support/announcements.ts";

const from = (port: number): Endpoint => ({ host: "192.0.2.7" as IpAddress, port });
let quiet: QuietSources;

beforeEach(() => {
  quiet = new QuietSources();
  quiet.opened(from(40_000), keyOf(1), 0);
});

test("what comes alone from a source that told nothing new need not be opened", () => {
  expect(quiet.passes(from(40_000), 12_000)).toBe(keyOf(1));
  expect(quiet.passes(from(40_000), 24_000)).toBe(keyOf(1));
});

test("what comes from another port is opened: it is another run of the node", () => {
  expect(quiet.passes(from(40_001), 12_000)).toBeNull();
});

test.each([
  ["right after one that was opened", [200]],
  ["right after one that was not opened", [12_000, 12_200]],
])("what comes %s is opened, and all that follows until one tells nothing new", (_when, arrivals) => {
  const last = arrivals.at(-1) ?? 0;
  for (const atMs of arrivals.slice(0, -1)) expect(quiet.passes(from(40_000), atMs)).toBe(keyOf(1));
  expect(quiet.passes(from(40_000), last)).toBeNull();
  expect(quiet.passes(from(40_000), last + 12_000)).toBeNull();
  quiet.opened(from(40_000), keyOf(1), last + 12_000);
  expect(quiet.passes(from(40_000), last + 24_000)).toBe(keyOf(1));
});

test("every few minutes one is opened all the same", () => {
  let passed = 0;
  let nowMs = 12_000;
  for (; quiet.passes(from(40_000), nowMs) !== null; nowMs += 12_000) passed += 1;
  expect(passed).toBeGreaterThan(5);
  expect(nowMs).toBe(4 * 60_000);
});

test("of a thousand and one sources the one that was opened first is forgotten", () => {
  for (let port = 1; port <= 1_000; port += 1) quiet.opened(from(port), keyOf(2), 0);
  expect(quiet.passes(from(40_000), 12_000)).toBeNull();
  expect(quiet.passes(from(1), 12_000)).toBe(keyOf(2));
});
