import { expect, test } from "vitest";
import { withoutClients } from "../../../src/cli/bugreportClients.ts";

test("what happened to clients is told without whose they are; all else stays", () => {
  const ready = { id: 1, type: "node.ready", peer: null, data: { version: "1" } };
  const added = { id: 2, type: "client.added", peer: "key", data: { name: "phone", ip: "10.200.7.2" } };
  expect(withoutClients("events.list", { events: [ready, added] })).toEqual({
    events: [ready, { id: 2, type: "client.added", peer: null, data: {} }],
  });
  const reload = { action: "daemon.reload", params: { a: 1 }, outcome: "ok" };
  const remove = { action: "clients.remove", params: { name: "phone" }, outcome: "ok" };
  expect(withoutClients("audit.list", { entries: [reload, remove], more: false })).toEqual({
    entries: [reload, { action: "clients.remove", params: {}, outcome: "ok" }],
    more: false,
  });
});

test("an error in the place of an answer stays as it is", () => {
  const error = { error: "not ready" };
  expect(withoutClients("events.list", error)).toBe(error);
  expect(withoutClients("peers.list", error)).toBe(error);
});
