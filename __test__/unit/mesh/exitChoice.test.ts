import { describe, expect, test } from "vitest";
import { ExitChoice } from "../../../src/mesh/exitChoice.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { keyOf, peer } from "./peers.ts";

const nowMs = 1_000_000_000;
const exit = (number: number, change: Partial<Peer> = {}): Peer =>
  peer(number, { exitNode: true, proven: true, lastHandshakeMs: nowMs - 1_000, ...change });

describe("ExitChoice", () => {
  test.each([
    ["its name", "H2"],
    ["its mesh address", "10.7.0.2"],
    ["its mesh IPv6 address", "FD00::2"],
    ["its key", keyOf(2)],
    ["the beginning of its key", keyOf(2).slice(0, 7)],
  ])("finds a peer by %s", (_by, wanted) => {
    const peers = [exit(1000), exit(2), exit(3000)];
    expect(new ExitChoice(wanted).choose(peers, nowMs)).toEqual({ publicKey: keyOf(2), reason: null });
  });

  test.each<[string, Peer[], string]>([
    ["is not there", [exit(1)], "not known"],
    ["does not offer it", [exit(2, { exitNode: false })], "does not offer"],
    ["has not proved its key", [exit(2, { proven: false })], "not proved"],
    ["has no tunnel", [exit(2, { lastHandshakeMs: 0 })], "no tunnel"],
    ["had one that is dead", [exit(2, { lastHandshakeMs: nowMs - 181_000 })], "no tunnel"],
    ["is one of two with the name", [exit(2), exit(3, { hostname: "h2" })], "several peers"],
  ])("takes nobody, and says why, when the peer %s", (_what, peers, why) => {
    const chosen = new ExitChoice("h2").choose(peers, nowMs);
    expect(chosen).toEqual({ publicKey: null, reason: expect.stringContaining(why) });
  });

  test("leaves who is looked for elsewhere, though its session counts, and takes it again", () => {
    const choice = new ExitChoice("h2");
    const lost = (publicKey: string): boolean => publicKey === keyOf(2);
    expect(choice.choose([exit(2)], nowMs, lost)).toEqual({ publicKey: null, reason: "does not answer" });
    expect(choice.choose([exit(2)], nowMs).publicKey).toBe(keyOf(2));
  });

  test("is no question without a wish", () => {
    expect(new ExitChoice(null).choose([exit(1)], nowMs)).toEqual({ publicKey: null, reason: null });
  });

  test("a name goes on meaning whom it meant first, until another wish", () => {
    const choice = new ExitChoice("h2");
    choice.choose([exit(2)], nowMs);
    const thief = exit(1, { hostname: "h2" });
    expect(choice.choose([thief, exit(2)], nowMs).publicKey).toBe(keyOf(2));
    expect(choice.choose([thief], nowMs)).toMatchObject({ publicKey: null });
    expect(choice.choose([exit(2, { hostname: "renamed" })], nowMs).publicKey).toBe(keyOf(2));
    expect(choice.want("h2")).toBe(false);
    expect(choice.want("h1")).toBe(true);
    expect(choice.choose([exit(1)], nowMs).publicKey).toBe(keyOf(1));
  });
});
