import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePeerCache, encodePeerCache } from "../../../src/peers/cacheFile.ts";
import { mergeSighting } from "../../../src/peers/merge.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import { cidr, ip, keyOf } from "../support/announcements.ts";
import { arbitrarySighting } from "../support/sightings.ts";
import { vectors } from "../support/vectors.ts";

const NOW = 1_767_225_600_000;
const HOUR_MS = 3_600_000;

const files = vectors<{ text: string }>("files");
const textOf = (what: string): string => files.find((file) => file.what.startsWith(what))?.text ?? "";
const FULL = textOf("peer cache <iface>");
const EMPTY = textOf("peer cache with no peers");

/** The peers of the vector, as the store would hold them. */
function vectorPeers(): Peer[] {
  const keys = [...FULL.matchAll(/"wg_pubkey": "([^"]+)"/g)].map((match) => match[1]) as Peer["publicKey"][];
  const base = { introducer: false, hostname: "", natType: "", endpoint: null } as const;
  const make = (index: number, members: Partial<Peer>): Peer => {
    const publicKey = keys[index] ?? keyOf(0);
    return { ...mergeSighting(null, { publicKey, method: "dht" }, NOW), ...base, ...members };
  };
  return [
    make(0, {
      meshIp: ip("10.1.1.1"),
      endpoint: { host: "203.0.113.5", port: 51820 },
      lastSeenMs: NOW - 90_000,
      lastHandshakeMs: NOW - 60_000,
    }),
    make(1, {
      hostname: "h",
      meshIp: ip("10.1.1.2"),
      meshIpv6: ip("fd00::2"),
      introducer: true,
      networks: [cidr("192.168.5.0/24")],
      natType: "symmetric",
      lastSeenMs: NOW,
    }),
  ];
}

describe("vectors: files", () => {
  test("the peer cache is written byte for byte", () => {
    expect(encodePeerCache(vectorPeers(), NOW)).toBe(FULL);
    expect(encodePeerCache([], NOW)).toBe(EMPTY);
  });

  test("the peer cache is read", () => {
    const { sightings, problem } = decodePeerCache(FULL, NOW);
    expect(problem).toBeNull();
    expect(sightings).toMatchObject([
      {
        method: "cache",
        meshIp: "10.1.1.1",
        endpoint: { host: "203.0.113.5", port: 51820 },
        seenAtMs: NOW - 60_000,
      },
      { method: "cache", hostname: "h", meshIpv6: "fd00::2", natType: "symmetric", seenAtMs: NOW },
    ]);
    expect(sightings[1]).not.toHaveProperty("endpoint");
    expect(sightings[1]).not.toHaveProperty("introducer");
    expect(decodePeerCache(EMPTY, NOW)).toEqual({ sightings: [], mesh: "", problem: null });
  });
});

test("entries older than 24 h are left out", () => {
  expect(decodePeerCache(FULL, NOW + 24 * HOUR_MS).sightings).toHaveLength(1);
  expect(decodePeerCache(FULL, NOW + 24 * HOUR_MS + 1).sightings).toHaveLength(0);
});

test("the mesh is written after what other implementations read, and read back", () => {
  const tagged = encodePeerCache(vectorPeers(), NOW, "ab12");
  expect(tagged).toBe(FULL.replace(/\n\}$/, ',\n  "mesh": "ab12"\n}'));
  expect(decodePeerCache(tagged, NOW)).toEqual({ ...decodePeerCache(FULL, NOW), mesh: "ab12" });
});

test("peers that were only mentioned are not written", () => {
  const mentioned = mergeSighting(null, { publicKey: keyOf(1), method: "dht-transitive" }, NOW);
  expect(encodePeerCache([mentioned], NOW)).toBe(EMPTY);
});

test("what is written is read back", () => {
  fc.assert(
    fc.property(arbitrarySighting, (sighting) => {
      const peer = mergeSighting(null, { ...sighting, method: "dht" }, NOW);
      const { sightings, problem } = decodePeerCache(encodePeerCache([peer], NOW), NOW);
      expect(problem).toBeNull();
      expect(sightings).toMatchObject([
        { publicKey: peer.publicKey, hostname: peer.hostname, natType: peer.natType, seenAtMs: NOW },
      ]);
      expect([sightings[0]?.meshIp ?? null, sightings[0]?.meshIpv6 ?? null]).toEqual([
        peer.meshIp,
        peer.meshIpv6,
      ]);
    }),
  );
});

describe("a damaged file", () => {
  test.each(["", "{", "[]", '"x"', FULL.slice(0, -1), `${FULL}x`, '{"peers":{}}', '{"peers":[1]}'])(
    "%j is ignored with a reason",
    (text) => {
      const { sightings, problem } = decodePeerCache(text, NOW);
      expect(sightings).toEqual([]);
      expect(problem).not.toBeNull();
    },
  );

  test("loses only the entries that are damaged", () => {
    const text = FULL.replace("10.1.1.1", "10.1.1.256");
    expect(decodePeerCache(text, NOW)).toMatchObject({
      sightings: [{ hostname: "h" }],
      problem: "1 of 2 entries are damaged",
    });
  });

  test("never throws", () => {
    const edits = fc.array(fc.tuple(fc.nat(FULL.length), fc.nat(3), fc.string({ maxLength: 2 })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(edits, (changes) => {
        let text = FULL;
        for (const [at, removed, added] of changes)
          text = text.slice(0, at) + added + text.slice(at + removed);
        decodePeerCache(text, NOW);
      }),
      { numRuns: 2000 },
    );
  });
});
