import { expect, test } from "vitest";
import { Rumours } from "../../../src/discovery/rumours.ts";
import { keyOf } from "../support/announcements.ts";

test("news is told a little more than log2(n) times, the least told and the newest first", () => {
  const rumours = new Rumours();
  rumours.add(keyOf(1), 7);
  rumours.add(keyOf(2), 7);
  expect(rumours.inOrder()).toEqual([keyOf(2), keyOf(1)]);
  rumours.told(keyOf(2));
  expect(rumours.inOrder()).toEqual([keyOf(1), keyOf(2)]);
  for (let times = 0; times < 5; times += 1) rumours.told(keyOf(1));
  expect(rumours.inOrder()).toEqual([keyOf(2)]);
  rumours.told(keyOf(77));
  rumours.forget(keyOf(2));
  expect(rumours.size).toBe(0);
});

test("there are never more than 256, and new news of a peer starts again", () => {
  const rumours = new Rumours();
  for (let number = 0; number < 300; number += 1) rumours.add(keyOf(number), 1000);
  expect(rumours.size).toBe(256);
  expect(rumours.inOrder()).not.toContain(keyOf(43));
  rumours.told(keyOf(299));
  rumours.add(keyOf(299), 1000);
  expect(rumours.inOrder()[0]).toBe(keyOf(299));
});
