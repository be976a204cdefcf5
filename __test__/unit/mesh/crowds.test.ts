import { beforeEach, expect, test } from "vitest";
import { Crowds, crowdText, MAX_STRANGERS_AT_ADDRESS, TURN_MS } from "../../../src/mesh/crowds.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { peer as peerOf } from "./peers.ts";

const NOW = 1_767_225_600_000;
const hostOf = ({ endpoint }: Peer): string | null => endpoint?.host ?? null;
const at = (number: number, host: string, change: Partial<Peer> = {}): Peer =>
  peerOf(number, { endpoint: { host, port: 51_820 }, ...change });

let crowds: Crowds;
beforeEach(() => {
  crowds = new Crowds();
});
const leftOut: Crowds["leftOut"] = (...args) => crowds.leftOut(...args);

const crowd = (count: number, host: string, from = 0): Peer[] =>
  Array.from({ length: count }, (_, index) => at(from + index, host));

test("a few strangers at one address all have their turn at once", () => {
  expect(leftOut(crowd(MAX_STRANGERS_AT_ADDRESS, "192.0.2.1"), hostOf, NOW).size).toBe(0);
  const scattered = crowd(1000, "").map((peer, index) => ({
    ...peer,
    endpoint: { host: `h${index}`, port: 1 },
  }));
  expect(leftOut(scattered, hostOf, NOW).size).toBe(0);
  expect(leftOut(crowd(500, "x"), () => null, NOW).size).toBe(0);
});

test("a crowd is told of while somebody waits", () => {
  const peers = [...crowd(40, "192.0.2.1"), ...crowd(5, "192.0.2.2", 500)];
  leftOut(peers, hostOf, NOW);
  expect(crowds.waiting).toEqual([{ host: "192.0.2.1", strangers: 40, waiting: 8 }]);
  expect(crowds.waiting.map(crowdText)).toEqual([
    "40 peers without a tunnel are said to be at 192.0.2.1: 8 of them wait for their turn",
  ]);
  leftOut(
    peers.map((peer) => ({ ...peer, lastHandshakeMs: NOW - 1000 })),
    hostOf,
    NOW,
  );
  expect(crowds.waiting).toEqual([]);
});

test("of a crowd one part at a time has, and each of it within a round", () => {
  const peers = [...crowd(200, "192.0.2.1"), ...crowd(5, "192.0.2.2", 500)];
  const served = new Set<string>();
  for (let turn = 0; turn < Math.ceil(200 / MAX_STRANGERS_AT_ADDRESS); turn += 1) {
    const out = leftOut(peers, hostOf, NOW + turn * TURN_MS);
    expect(out.size).toBe(200 - MAX_STRANGERS_AT_ADDRESS);
    for (const { publicKey } of peers) if (!out.has(publicKey)) served.add(publicKey);
    // Within a turn it stays the same.
    expect(leftOut(peers, hostOf, NOW + turn * TURN_MS + TURN_MS - 1)).toEqual(out);
  }
  expect(served.size).toBe(peers.length);
});

test("who has a tunnel is no stranger, and makes room", () => {
  const connected = crowd(300, "192.0.2.1").map((peer) => ({ ...peer, lastHandshakeMs: NOW - 1000 }));
  const strangers = crowd(MAX_STRANGERS_AT_ADDRESS + 3, "192.0.2.1", 600);
  const out = leftOut([...connected, ...strangers], hostOf, NOW);
  expect(out.size).toBe(3);
  expect(connected.filter(({ publicKey }) => out.has(publicKey))).toEqual([]);
});

test("who comes and goes takes nobody's place, and a turn lets in only so many", () => {
  const first = crowd(MAX_STRANGERS_AT_ADDRESS, "192.0.2.1", 500);
  expect(leftOut(first, hostOf, NOW).size).toBe(0);
  // Names that sort before and after them.
  const all = [...crowd(300, "192.0.2.1"), ...first, ...crowd(300, "192.0.2.1", 1000)];
  const out = leftOut(all, hostOf, NOW + 5);
  expect(first.filter(({ publicKey }) => out.has(publicKey))).toEqual([]);
  expect(out.size).toBe(600);
  // All new ones again and again.
  const seen = new Set<string>();
  for (let round = 0; round < 10; round += 1) {
    const peers = crowd(100, "192.0.2.1", 2000 + 100 * round);
    const later = leftOut(peers, hostOf, NOW + 10 + round);
    for (const { publicKey } of peers) if (!later.has(publicKey)) seen.add(publicKey);
  }
  expect(seen.size).toBe(MAX_STRANGERS_AT_ADDRESS);
});
