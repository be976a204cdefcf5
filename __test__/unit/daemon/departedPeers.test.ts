import { beforeEach, expect, test } from "vitest";
import { DepartedPeers } from "../../../src/daemon/departedPeers.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { keyOf } from "../support/announcements.ts";
import { ManualClock } from "../support/manualClock.ts";

const peer = (number: number): Peer => ({ publicKey: keyOf(number) }) as Peer;

let clock: ManualClock;
let departed: DepartedPeers;

beforeEach(() => {
  clock = new ManualClock();
  departed = new DepartedPeers(clock);
});

test("who left is listed for ten minutes, with the reason, since when and until when", () => {
  departed.left(peer(1), "goodbye");
  const sinceMs = clock.wallMs();
  clock.advance(60_000);
  departed.left(peer(2), "evicted");
  expect(departed.list()).toMatchObject([
    { peer: peer(1), reason: "goodbye", sinceMs, untilMs: sinceMs + 600_000 },
    { peer: peer(2), reason: "evicted", sinceMs: sinceMs + 60_000 },
  ]);
  clock.advance(540_000);
  expect(departed.list()).toMatchObject([{ reason: "evicted" }]);
});

test("who is back, and whom another replaced, is not listed", () => {
  departed.left(peer(1), "expired");
  departed.left(peer(2), "replaced");
  departed.back(keyOf(1));
  expect(departed.list()).toEqual([]);
});

test("the oldest give way where very many left", () => {
  for (let number = 1; number <= 1030; number += 1) departed.left(peer(number), "evicted");
  const listed = departed.list();
  expect(listed).toHaveLength(1024);
  expect(listed[0]?.peer.publicKey).toBe(keyOf(7));
});
