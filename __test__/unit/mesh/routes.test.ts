import { describe, expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import type { Cidr } from "../../../src/core/types.ts";
import { FailureBook } from "../../../src/mesh/failures.ts";
import { defaultPacerSettings, MendPacer } from "../../../src/mesh/mendPacer.ts";
import { ROUTE_METRIC, RouteSync, removeOurRoutes, routeDifference } from "../../../src/mesh/routes.ts";
import { ManualClock } from "../support/manualClock.ts";
import { FakeRoutes } from "./fakeRoutes.ts";

const OURS = { protocol: 111, metric: ROUTE_METRIC, source: null };
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
    const actual = [{ destination: "10.7.0.0/16", protocol: 2, metric: 0, source: null }];
    expect(routeDifference([], actual, ROUTE_METRIC)).toEqual({ add: [], remove: [] });
  });

  test("a route of ours with another metric is replaced", () => {
    const old = { destination: "10.1.0.0/16", protocol: 111, metric: 5, source: null };
    const result = routeDifference(cidrs("10.1.0.0/16"), [old], ROUTE_METRIC);
    expect(result).toEqual({ add: ["10.1.0.0/16"], remove: [old] });
  });

  test("a route with another source than the wanted one of its family is added, which replaces it; without a wish any is right", () => {
    const actual = [
      { ...OURS, destination: "10.1.0.0/16", source: "10.9.0.1" },
      { ...OURS, destination: "10.2.0.0/16", source: "10.8.0.1" },
      { ...OURS, destination: "10.3.0.0/16" },
      { ...OURS, destination: "fd12::/48", source: "fd09::1" },
    ];
    const wanted = cidrs("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "fd12::/48");
    const difference = (ipv4: string | null, ipv6: string | null) =>
      routeDifference(wanted, actual, ROUTE_METRIC, { ipv4, ipv6 });
    expect(difference("10.9.0.1", null)).toEqual({ add: ["10.2.0.0/16", "10.3.0.0/16"], remove: [] });
    expect(difference(null, "fd08::1")).toEqual({ add: ["fd12::/48"], remove: [] });
    expect(difference(null, null)).toEqual({ add: [], remove: [] });
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

  const one = [{ address: "10.9.0.1" }, { address: "fd09::1" }];
  const two = [{ address: "10.8.0.1" }, { address: "fd08::1" }, ...one];
  const sourcesIn = (table: FakeRoutes): (string | null)[] => table.list().map(({ source }) => source);

  test("packets go out from the present address of the family, once there are several", () => {
    const { table, routes } = setUp();
    const wanted = cidrs("10.1.0.0/16", "fd12::/48");
    expect(routes.sync(wanted, one).changes).toBe(2);
    expect(sourcesIn(table)).toEqual([null, null]);
    expect(routes.sync(wanted, two)).toEqual({ changes: 2, found: [] });
    expect(sourcesIn(table)).toEqual(["10.8.0.1", "fd08::1"]);
    expect(routes.sync(wanted, two)).toEqual({ changes: 0, found: [] });
    expect(routes.sync(wanted, one)).toEqual({ changes: 0, found: [] });
    expect(sourcesIn(table)).toEqual(["10.8.0.1", "fd08::1"]);
  });

  test("a route that went with its source is added with the next one, and was removed by nobody", () => {
    const { table, routes } = setUp();
    const wanted = cidrs("10.1.0.0/16");
    routes.sync(wanted, two);
    table.remove("10.1.0.0/16", ROUTE_METRIC);
    expect(routes.sync(wanted, [{ address: "10.7.0.1" }, ...one])).toEqual({ changes: 1, found: [] });
    expect(sourcesIn(table)).toEqual(["10.7.0.1"]);
    table.remove("10.1.0.0/16", ROUTE_METRIC);
    const again = routes.sync(wanted, [{ address: "10.7.0.1" }, ...one]);
    expect(again).toEqual({ changes: 1, found: ["missing route 10.1.0.0/16"] });
  });

  test("asks for no source where the system's routes have none", () => {
    const { table, failures, pacer } = setUp();
    const without = Object.assign(table, { withoutSources: true } as const);
    const routes = new RouteSync(without, failures, pacer, silentLog);
    expect(routes.sync(cidrs("10.1.0.0/16"), two).changes).toBe(1);
    expect(sourcesIn(table)).toEqual([null]);
    expect(routes.sync(cidrs("10.1.0.0/16"), two).changes).toBe(0);
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
  const table = new FakeRoutes([{ destination: "10.7.0.0/16", protocol: 2, metric: 0, source: null }]);
  table.add("10.1.0.0/16", ROUTE_METRIC);
  removeOurRoutes(table);
  expect(table.list().map((route) => route.destination)).toEqual(["10.7.0.0/16"]);
});
