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
  sources: { ipv4: null, ipv6: null },
  through: true,
  only: false,
};

function make() {
  const state = {
    rules: [] as PolicyRule[],
    defaults: new Map<number, Map<4 | 6, string | null>>(),
    marked: 0,
  };
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
    defaults: (_link, table) =>
      [...(state.defaults.get(table) ?? [])].map(([family, source]) => ({ family, source })),
    addDefault: (_link, table, family, source) => {
      state.defaults.set(table, new Map([...(state.defaults.get(table) ?? []), [family, source]]));
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
    expect([...(state.defaults.get(table)?.keys() ?? [])]).toEqual([4, 6]);
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

  test("a default route of another source than the wanted one is replaced; without a wish any is right", () => {
    const { routes, state, tables } = make();
    const sources = () => tables.defaults("wg0", table).map(({ source }) => source);
    routes.sync(wish);
    expect(sources()).toEqual([null, null]);
    const moved = { ...wish, sources: { ipv4: "10.8.0.1", ipv6: "fd08::1" } };
    expect([routes.sync(moved), sources()]).toEqual([2, ["10.8.0.1", "fd08::1"]]);
    expect(routes.sync(moved)).toBe(0);
    expect([routes.sync(wish), sources()]).toEqual([0, ["10.8.0.1", "fd08::1"]]);
    // The kernel takes the route with its address.
    state.defaults.get(table)?.delete(4);
    expect([routes.sync(moved), sources().sort()]).toEqual([1, ["10.8.0.1", "fd08::1"]]);
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
    const foreign = { ...(wantedRules("wg0", wish, 1)[0] as PolicyRule), priority: priority + 4 };
    routes.sync(wish);
    state.rules.push(foreign, { ...foreign, priority: priority - 1 });
    done.length = 0;
    const next = new ExitRoutes(tables, "wg0");
    expect(next.undo()).toBe(10);
    expect(done[0]).toBe(`remove ${priority + 2}`);
    expect(state.rules.map((rule) => rule.priority)).toEqual([priority + 4, priority - 1]);
    done.length = 0;
    expect(next.sync(null)).toBe(0);
    expect(done).toEqual([]);
  });

  test("with no other way ends what is not led into the tunnel, IPv6 of a mesh without it too", () => {
    const last = (change: Partial<ExitWish>): number[][] =>
      wantedRules("wg0", { ...wish, only: true, ...change }, 1)
        .filter((rule) => rule.priority > priority + 1)
        .map((rule) => [rule.family, rule.priority - priority, rule.table]);
    expect(last({})).toEqual([
      [4, 2, table],
      [4, 3, 0],
      [6, 2, table],
      [6, 3, 0],
    ]);
    expect(last({ through: false })).toEqual([
      [4, 3, 0],
      [6, 3, 0],
    ]);
    expect(last({ ipv6: false })).toEqual([
      [4, 2, table],
      [4, 3, 0],
      [6, 3, 0],
    ]);
  });

  test("a host without IPv6 has no way to end for it; any other refusal is told", () => {
    const { tables, state } = make();
    const refusing = (code: string): ExitRoutes =>
      new ExitRoutes(
        {
          ...tables,
          addRule: (rule) => {
            const cause = Object.assign(new Error("add rule"), { code });
            if (rule.family === 6) throw new Error("add rule", { cause });
            tables.addRule(rule);
          },
        },
        "wg0",
      );
    const only = { ...wish, ipv6: false, only: true };
    refusing("EAFNOSUPPORT").sync(only);
    expect(state.rules.map(({ table: led }) => led)).toContain(0);
    expect(() => refusing("EPERM").sync(only)).toThrow("add rule");
  });

  test("two interfaces have places of their own, before the kernel's rule for main", () => {
    const places = ["wg0", "wg1", "wg2", "mesh", "tun0"].map(placeOf);
    expect(new Set(places.map((place) => place.priority)).size).toBe(5);
    for (const place of places) expect(place.priority).toBeLessThan(32_764);
  });
});
