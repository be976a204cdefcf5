import { expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { Sweeps } from "../../../src/discovery/sweeps.ts";
import type { Peer } from "../../../src/peers/peer.ts";

const peers = ["a", "b", "c"].map((key) => ({ publicKey: key }) as unknown as Peer);
const key = (text: string): PublicKey => text as PublicKey;
let listed = 0;
const store = {
  list() {
    listed += 1;
    return peers;
  },
  get: (publicKey: PublicKey) => peers.find((peer) => peer.publicKey === publicKey),
};
const taken = (sweeps: Sweeps, nowMs: number): string =>
  sweeps
    .take(store, nowMs)
    .peers.map(({ publicKey }) => publicKey)
    .join(" ");

test("looks at all peers at first and at each beat, and between beats at those alone of whom something is new", () => {
  const sweeps = new Sweeps(1_200);
  expect(sweeps.nextAtMs()).toBe(1_200);
  expect(sweeps.take(store, 1_200)).toEqual({ peers, isWhole: true });
  expect(sweeps.nextAtMs()).toBe(5_000);
  const listedBefore = listed;
  sweeps.note(key("b"), 2_000);
  sweeps.note(key("gone"), 2_005);
  expect(sweeps.nextAtMs()).toBe(2_020);
  expect(taken(sweeps, 2_019)).toBe("");
  expect(sweeps.take(store, 2_020)).toEqual({ peers: [peers[1]], isWhole: false });
  expect(listed).toBe(listedBefore);
  expect(taken(sweeps, 4_999)).toBe("");
  expect(taken(sweeps, 5_000)).toBe("a b c");
});

test("a beat takes what is new along", () => {
  const sweeps = new Sweeps(0);
  expect(taken(sweeps, 0)).toBe("a b c");
  sweeps.note(key("c"), 4_990);
  expect(taken(sweeps, 5_000)).toBe("a b c");
  expect(sweeps.nextAtMs()).toBe(10_000);
});
