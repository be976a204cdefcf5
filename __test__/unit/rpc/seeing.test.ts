import { expect, test } from "vitest";
import type { EventFilter } from "../../../src/core/events.ts";
import { seeingMethods } from "../../../src/rpc/methods/seeing.ts";
import { methodContext, vectorView } from "./fixtures.ts";

test("events.list gives the last ones, as many as were asked for, none included", async () => {
  const view = vectorView();
  const all = view.events({}).map(({ id }) => id);
  const ids = (limit: number): number[] =>
    seeingMethods["events.list"].call(methodContext(view), { limit }).events.map(({ id }) => id);
  expect(all.length).toBeGreaterThan(1);
  expect([ids(0), ids(1), ids(2_000)]).toEqual([[], all.slice(-1), all]);
});

test("a type that is asked for many times counts once", () => {
  const filters: EventFilter[] = [];
  const view = vectorView({
    events: (filter) => {
      filters.push(filter);
      return [];
    },
  });
  const types = Array.from({ length: 5_000 }, () => ["task.failed", "task"]).flat();
  seeingMethods["events.list"].call(methodContext(view), { types });
  expect(filters).toEqual([{ types: ["task.failed"] }]);
});
