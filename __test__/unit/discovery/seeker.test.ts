import { expect, test } from "vitest";
import { Seeker } from "../../../src/discovery/rendezvous/seeker.ts";
import { keyOf } from "../support/announcements.ts";

test.each([
  [false, 400],
  [true, 10_000],
])("who was just met gets the time to connect by itself (on a LAN: %j)", (onLan, graceMs) => {
  const seeker = new Seeker(() => 0);
  seeker.need(keyOf(1), 0);
  seeker.met(keyOf(1), onLan, 100);
  expect(seeker.take(100 + graceMs - 1)).toEqual({ begin: [], seek: [] });
  expect(seeker.take(100 + graceMs)).toEqual({ begin: [keyOf(1)], seek: [] });
});

test("who connects meanwhile is left alone", () => {
  const seeker = new Seeker(() => 0);
  seeker.need(keyOf(1), 0);
  seeker.met(keyOf(1), true, 100);
  seeker.calm(keyOf(1));
  expect(seeker.take(20_000)).toEqual({ begin: [], seek: [] });
});
