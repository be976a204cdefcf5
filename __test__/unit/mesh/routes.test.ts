import { describe, expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import type { Cidr } from "../../../src/core/types.ts";
import { FailureBook } from "../../../src/mesh/failures.ts";
import { defaultPacerSettings, MendPacer } from "../../../src/mesh/mendPacer.ts";
import { ROUTE_METRIC, RouteSync, removeOurRoutes, routeDifference } from "../../../src/mesh/routes.ts";
import { ManualClock } from "../support/manualClock.ts";
import { FakeRoutes } from "./fakeRoutes.ts";

const OURS = { protocol: 111, metric: ROUTE_METRIC };
const cidrs = (...texts: string[]): Cidr[] => texts as Cidr[];

function setUp() {
  const clock = new ManualClock();
  const table = new FakeRoutes();
  const failures = new FailureBook(clock, { firstMs: 1_000, maxMs: 4_000 }, silentLog);
  const pacer = new MendPacer(clock);
  return { clock, table, failures, pacer, routes: new RouteSync(table, failures, pacer, silentLog) };
}

describe("routeDifference", () => {
  test("adds what is missing, removes what is not wanted", () => {
    const actual = [
      { destination: "10.1.0.0/16", ...OURS },
      { destination: "10.2.0.0/16", ...OURS },
    ];
    expect(routeDifference(cidrs("10.2.0.0/16", "10.3.0.0/16"), actual, ROUTE_METRIC)).toEqual({
      add: ["10.3.0.0/16"],
      remove: [actual[0]],
    });
  });

  test("leaves routes of other programs, and the kernel's own, alone", () => {
    const actual = [{ destination: "10.7.0.0/16", protocol: 2, metric: 0 }];
    expect(routeDifference([], actual, ROUTE_METRIC)).toEqual({ add: [], remove: [] });
  });

  test("a route of ours with another metric is replaced", () => {
    const old = { destination: "10.1.0.0/16", protocol: 111, metric: 5 };
    const result = routeDifference(cidrs("10.1.0.0/16"), [old], ROUTE_METRIC);
    expect(result).toEqual({ add: ["10.1.0.0/16"], remove: [old] });
  });
});

describe("RouteSync", () => {
  test("mends a route that somebody deleted, and ends with nothing to do", () => {
    const { table, routes } = setUp();
    const wanted = cidrs("10.1.0.0/16", "fd12::/48");
    expect(routes.sync(wanted).changes).toBe(2);
    table.remove("10.1.0.0/16", ROUTE_METRIC);
    expect(routes.sync(wanted)).toEqual({ changes: 1, found: ["missing route 10.1.0.0/16"] });
    expect(routes.sync(wanted)).toEqual({ changes: 0, found: [] });
  });

  test("a route that somebody deletes again and again waits for its pause, and is then known as deleted", () => {
    const { clock, table, routes } = setUp();
    const wanted = cidrs("10.1.0.0/16");
    routes.sync(wanted);
    for (let time = 0; time < defaultPacerSettings.free; time += 1) {
      table.remove("10.1.0.0/16", ROUTE_METRIC);
      expect(routes.sync(wanted).found).toHaveLength(1);
    }
    table.remove("10.1.0.0/16", ROUTE_METRIC);
    expect(routes.sync(wanted)).toEqual({ changes: 0, found: [] });
    clock.advance(1_000);
    expect(routes.sync(wanted)).toEqual({ changes: 1, found: ["missing route 10.1.0.0/16"] });
  });

  test("routes that went with a lost interface were removed by nobody", () => {
    const { table, routes } = setUp();
    const wanted = cidrs("10.1.0.0/16");
    routes.sync(wanted);
    table.remove("10.1.0.0/16", ROUTE_METRIC);
    routes.interfaceRemade();
    expect(routes.sync(wanted)).toEqual({ changes: 1, found: [] });
  });

  test("removes what a killed run left, then looks no more while nothing is wanted", () => {
    const { table, routes } = setUp();
    table.add("10.9.0.0/16", ROUTE_METRIC);
    expect(routes.sync([]).changes).toBe(1);
    const lists = table.lists;
    expect(routes.sync([]).changes).toBe(0);
    expect(table.lists).toBe(lists);
  });

  test("a route that fails stops no other, is named, and is tried again after a pause that doubles", () => {
    const { clock, table, failures, routes } = setUp();
    const sinceMs = clock.wallMs();
    table.refuse.add("10.1.0.0/16");
    const wanted = cidrs("10.1.0.0/16", "10.2.0.0/16");
    expect(routes.sync(wanted).changes).toBe(1);
    expect(failures.list()).toEqual([
      { object: "route 10.1.0.0/16", reason: "EEXIST: 10.1.0.0/16", sinceMs },
    ]);
    table.attempts.length = 0;
    for (let second = 1; second <= 15; second += 1) {
      clock.advance(1_000);
      routes.sync(wanted);
    }
    // After 1, 3, 7, 11 and 15 s: the pause stays at its limit of 4 s.
    expect(table.attempts).toHaveLength(5);
    table.refuse.clear();
    clock.advance(4_000);
    expect(routes.sync(wanted).changes).toBe(1);
    expect(failures.list()).toEqual([]);
  });

  test("a failing route that is not wanted any more is forgotten", () => {
    const { table, failures, routes } = setUp();
    table.refuse.add("10.1.0.0/16");
    routes.sync(cidrs("10.1.0.0/16"));
    routes.sync([]);
    expect(failures.list()).toEqual([]);
  });
});

test("removeOurRoutes removes ours and only ours", () => {
  const table = new FakeRoutes([{ destination: "10.7.0.0/16", protocol: 2, metric: 0 }]);
  table.add("10.1.0.0/16", ROUTE_METRIC);
  removeOurRoutes(table);
  expect(table.list().map((route) => route.destination)).toEqual(["10.7.0.0/16"]);
});
