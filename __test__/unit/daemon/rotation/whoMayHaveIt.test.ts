import { expect, test } from "vitest";
import { whoMayHaveIt } from "../../../../src/daemon/rotation/whoMayHaveIt.ts";
import { clock, mention, open, store, word } from "../../peers/storeFixture.ts";
import { ip, keyOf } from "../../support/announcements.ts";

test("asked are nodes of ours, then those with a tunnel that only others have spoken of, and no Go peer", () => {
  open();
  store.observe(mention(1, { meshIp: ip("10.77.0.1") }));
  store.observe(mention(2, { meshIp: ip("10.77.0.2") }));
  store.observe(word(3, { instance: "" }));
  store.observe(word(4));
  for (const number of [2, 3]) store.noteHandshake(keyOf(number), clock.wallMs());
  const asked = whoMayHaveIt(store.list(), clock.wallMs());
  expect(asked.map(({ publicKey }) => publicKey)).toEqual([keyOf(4), keyOf(2)]);
  expect(whoMayHaveIt(store.list(), clock.wallMs() + 180_000).map(({ publicKey }) => publicKey)).toEqual([
    keyOf(4),
  ]);
});
