import { expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { MentionRotation } from "../../../src/discovery/mentionRotation.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { seededRandom } from "../support/seededRandom.ts";

const keys = ["a", "b", "c", "d", "e"] as PublicKey[];
const to = "c" as PublicKey;
const peerOf = (publicKey: PublicKey): Peer => ({ publicKey }) as Peer;

test("each datagram goes on where the last one to that peer ended, and leaves out the peer and who is not to be mentioned", () => {
  const rotation = new MentionRotation(seededRandom("rotation"));
  const told: string[] = [];
  for (let datagram = 0; datagram < 6; datagram += 1) {
    const chosen = rotation.next(to, keys, (key) => (key === "d" ? null : peerOf(key)), 2);
    expect(chosen).toHaveLength(2);
    rotation.mentioned(to, chosen, 1);
    told.push(chosen[0]?.publicKey ?? "");
  }
  expect([...told.slice(0, 3)].sort()).toEqual(["a", "b", "e"]);
  expect(told.slice(3)).toEqual(told.slice(0, 3));
});

test("peers that were told nothing yet are told different things", () => {
  const rotation = new MentionRotation(seededRandom("rotation"));
  const first = Array.from({ length: 40 }, (_, index) => {
    const [peer] = rotation.next(`to ${index}` as PublicKey, keys, peerOf, 1);
    return peer?.publicKey;
  });
  expect(new Set(first).size).toBe(keys.length);
});
