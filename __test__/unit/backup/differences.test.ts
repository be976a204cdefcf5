import { describe, expect, test } from "vitest";
import { clientChanges, lineChanges, peerChanges } from "../../../src/backup/differences.ts";

const NOW_MS = 1_800_000_000_000;
const keyOf = (letter: string): string => `${letter.repeat(42)}A=`;

const cache = (...peers: readonly (readonly [letter: string, ip: string, ageSeconds?: number])[]): string =>
  JSON.stringify({
    peers: peers.map(([letter, ip, ageSeconds = 60]) => ({
      wg_pubkey: keyOf(letter),
      hostname: `host-${letter}`,
      mesh_ip: ip,
      endpoint: "203.0.113.7:51820",
      last_seen: NOW_MS / 1000 - ageSeconds,
    })),
    updated_at: NOW_MS / 1000,
  });

describe("lines of settings", () => {
  test("that go and come are told; order, comments and blank lines are not", () => {
    expect(lineChanges("# old\na=1\nb=2\n\n", "# new\nb=2\nc=3\r\n")).toEqual(["- a=1", "+ c=3"]);
    expect(lineChanges("a=1\nb=2", "\nb=2\na=1\n")).toEqual([]);
  });
});

describe("peers of a cache", () => {
  test("that go, come, or have another address are told", () => {
    const before = cache(["B", "10.1.0.1"], ["C", "10.1.0.2"]);
    const after = cache(["C", "10.1.0.9"], ["D", "10.1.0.3"]);
    expect(peerChanges(before, after, NOW_MS)).toEqual([
      `- ${keyOf("B")} host-B 10.1.0.1`,
      `~ ${keyOf("C")} host-C 10.1.0.2 becomes ${keyOf("C")} host-C 10.1.0.9`,
      `+ ${keyOf("D")} host-D 10.1.0.3`,
    ]);
  });

  test("of another day do not count, as when a node reads them", () => {
    expect(peerChanges("", cache(["B", "10.1.0.1", 86_401]), NOW_MS)).toEqual([]);
    expect(peerChanges("", cache(["B", "10.1.0.1", 86_399]), NOW_MS)).toHaveLength(1);
  });
});

describe("clients", () => {
  const book = (...clients: readonly (readonly [name: string, letter: string, host: number])[]): string =>
    JSON.stringify({
      version: 1,
      networks: { ipv4: "10.200.7.0/24", ipv6: null },
      clients: clients.map(([name, letter, host]) => ({
        ...{ name, public_key: keyOf(letter), ip: `10.200.7.${host}`, ipv6: null },
        added: "2026-11-22T00:00:00Z",
      })),
    });

  test("that go, come, or have another key are told", () => {
    const changes = clientChanges(
      book(["car", "B", 2], ["phone", "C", 3]),
      book(["phone", "D", 3], ["tv", "E", 4]),
    );
    expect(changes).toEqual([
      `- car ${keyOf("B")} 10.200.7.2`,
      `~ phone ${keyOf("C")} 10.200.7.3 becomes phone ${keyOf("D")} 10.200.7.3`,
      `+ tv ${keyOf("E")} 10.200.7.4`,
    ]);
  });

  test("of a file that is broken are none", () => {
    expect(clientChanges("{", book(["phone", "C", 3]))).toEqual([`+ phone ${keyOf("C")} 10.200.7.3`]);
  });
});
