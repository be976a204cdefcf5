import { describe, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import {
  ExitRoutes,
  type ExitTables,
  type ExitWish,
  type PolicyRule,
  placeOf,
  wantedRules,
} from "../../../src/mesh/exitRoutes.ts";

const wish: ExitWish = {
  wireguardPort: 51820,
  addresses: ["192.0.2.7", "2001:db8::7"] as IpAddress[],
  ipv6: true,
};

function make() {
  const state = { rules: [] as PolicyRule[], defaults: new Map<number, Set<4 | 6>>(), marked: 0 };
  const done: string[] = [];
  const same = (a: PolicyRule, b: PolicyRule): boolean => JSON.stringify(a) === JSON.stringify(b);
  const tables: ExitTables = {
    mark: 0x3111,
    rules: () => [...state.rules],
    addRule: (rule) => {
      done.push(`add ${rule.priority}`);
      state.rules.push(rule);
    },
    removeRule: (rule) => {
      done.push(`remove ${rule.priority}`);
      state.rules = state.rules.filter((other) => !same(rule, other));
    },
    defaults: (_link, table) => [...(state.defaults.get(table) ?? [])],
    addDefault: (_link, table, family) => {
      state.defaults.set(table, new Set([...(state.defaults.get(table) ?? []), family]));
    },
    markSockets: () => {
      state.marked += 1;
    },
  };
  return { state, done, tables, routes: new ExitRoutes(tables, "wg0") };
}

const { priority, table } = placeOf("wg0");

describe("ExitRoutes", () => {
  test("keeps wgmesh's own packets out of the tunnel before it leads anything there", () => {
    const { routes, state, done } = make();
    routes.sync(wish);
    expect(done.slice(0, 5)).toEqual([
      `add ${priority}`,
      `add ${priority}`,
      `add ${priority}`,
      `add ${priority + 1}`,
      `add ${priority + 2}`,
    ]);
    expect(state.rules.filter(({ family }) => family === 4).map((rule) => [rule.table, rule.source])).toEqual(
      [
        [254, null],
        [254, null],
        [254, "192.0.2.7/32"],
        [254, null],
        [table, null],
      ],
    );
    expect(state.rules.filter((rule) => rule.source === "2001:db8::7/128")).toHaveLength(1);
    expect([...(state.defaults.get(table) ?? [])]).toEqual([4, 6]);
    expect(state.marked).toBe(1);
  });

  test("applies one difference: another port and address are two rules more and two less", () => {
    const { routes, done } = make();
    routes.sync(wish);
    expect(routes.sync(wish)).toBe(0);
    done.length = 0;
    const addresses = ["192.0.2.8", "2001:db8::7"] as IpAddress[];
    routes.sync({ ...wish, addresses });
    expect(done).toEqual([`add ${priority}`, `remove ${priority}`]);
  });

  test("puts back what others removed, without IPv6 has none of it", () => {
    const { routes, state } = make();
    routes.sync(wish);
    state.rules = state.rules.filter((rule) => rule.table !== table);
    state.defaults.clear();
    expect(routes.sync(wish)).toBe(4);
    expect(wantedRules("wg0", { ...wish, ipv6: false }, 1).every(({ family }) => family === 4)).toBe(true);
  });

  test("undoes what leads into the tunnel first, an earlier run's too, and nothing of others", () => {
    const { routes, state, done, tables } = make();
    const foreign = { ...(wantedRules("wg0", wish, 1)[0] as PolicyRule), priority: priority + 3 };
    routes.sync(wish);
    state.rules.push(foreign, { ...foreign, priority: priority - 1 });
    done.length = 0;
    const next = new ExitRoutes(tables, "wg0");
    expect(next.undo()).toBe(10);
    expect(done[0]).toBe(`remove ${priority + 2}`);
    expect(state.rules.map((rule) => rule.priority)).toEqual([priority + 3, priority - 1]);
    done.length = 0;
    expect(next.sync(null)).toBe(0);
    expect(done).toEqual([]);
  });

  test("two interfaces have places of their own, before the kernel's rule for main", () => {
    const places = ["wg0", "wg1", "wg2", "mesh", "tun0"].map(placeOf);
    expect(new Set(places.map((place) => place.priority)).size).toBe(5);
    for (const place of places) expect(place.priority).toBeLessThan(32_764);
  });
});
