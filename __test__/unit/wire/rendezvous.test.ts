import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Endpoint, PublicKey } from "../../../src/core/types.ts";
import {
  isPublicEndpoint,
  normaliseCandidates,
  readCandidates,
  spreadCandidates,
} from "../../../src/wire/candidates.ts";
import { type JsonObject, readJson } from "../../../src/wire/json.ts";
import { isPairWindow, pairId, pairSeed } from "../../../src/wire/pairs.ts";
import { decodePunch, encodePunch, type Punch } from "../../../src/wire/punch.ts";
import {
  decodeInvite,
  decodeOffer,
  decodeStart,
  encodeInvite,
  encodeOffer,
  encodeStart,
  type Offer,
  type Start,
} from "../../../src/wire/rendezvous.ts";
import type { NatType } from "../../../src/wire/types.ts";
import { keyOf } from "../support/announcements.ts";
import { vectors } from "../support/vectors.ts";

const NOW = 1_767_225_600;
const parse = (payload: string): JsonObject => readJson(payload, 100_000) as JsonObject;

interface PairVector {
  readonly a: PublicKey;
  readonly b: PublicKey;
  readonly seed_decimal: string;
  readonly pair_id: string;
  readonly rendezvous_seconds_mod_20: readonly number[];
}

describe("vectors: pairs", () => {
  test.each(vectors<PairVector>("pairs"))("$pair_id", (vector) => {
    const { a, b } = vector;
    expect(pairSeed(a, b)).toBe(BigInt(vector.seed_decimal));
    expect([pairId(a, b), pairId(b, a)]).toEqual([vector.pair_id, vector.pair_id]);
    const seed = pairSeed(a, b);
    const base = NOW - (NOW % 20);
    const seconds = Array.from({ length: 20 }, (_, second) => second);
    expect(seconds.filter((second) => isPairWindow(seed, base + second))).toEqual(
      vector.rendezvous_seconds_mod_20,
    );
  });
});

interface ListVector {
  readonly what: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
}

describe("vectors: candidate lists", () => {
  test.each(vectors<ListVector>("candidate_lists"))("$what", ({ what, input, output }) => {
    const expected = what.startsWith("normalise") ? normaliseCandidates(input) : spreadCandidates(input);
    expect(expected).toEqual(output);
  });
});

describe("vectors: public endpoint", () => {
  const all = vectors<{ endpoint: string; public: boolean }>("public_endpoint");
  test.each(all)("$endpoint", (vector) => {
    expect(isPublicEndpoint(vector.endpoint)).toBe(vector.public);
  });
});

describe("candidates that datagrams may go to", () => {
  test("are IP literals of somebody, without repeats, and few", () => {
    const texts = [
      ...["203.0.113.1:5", "203.0.113.1:5", "0.0.0.0:5", "127.0.0.1:5", "224.0.0.1:5", "[fe80::1]:5"],
      ...["name.example:5", "255.255.255.255:5", "[2001:db8::1]:7", "10.0.0.1:8"],
    ];
    expect(readCandidates(texts, 8)).toEqual([
      { host: "203.0.113.1", port: 5 },
      { host: "2001:db8::1", port: 7 },
      { host: "10.0.0.1", port: 8 },
    ]);
    const many = Array.from({ length: 10_000 }, (_, index) => `203.0.113.1:${index + 1}`);
    expect(readCandidates(many, 8)).toHaveLength(8);
  });
});

interface EnvelopeVector {
  readonly what: string;
  readonly opened_type?: string;
  readonly plaintext: string;
}

describe("vectors: OFFER and START", () => {
  const all = vectors<EnvelopeVector>("envelopes");

  test("an OFFER as the Go node sends it is read, and written the same", () => {
    const [bare, full] = all.filter(({ opened_type }) => opened_type === "RENDEZVOUS_OFFER");
    const decoded = decodeOffer(parse(bare?.plaintext ?? ""));
    expect(decoded.ok).toBe(true);
    if (decoded.ok) expect(encodeOffer(decoded.value)).toBe(bare?.plaintext);
    expect(decodeOffer(parse(full?.plaintext ?? ""))).toMatchObject({
      ok: true,
      value: { candidates: [{ host: "203.0.113.5", port: 52_000 }], wireguardCandidates: [] },
    });
  });

  test("a START as a Go introducer sends it is read, and written the same", () => {
    const vector = all.find(({ opened_type }) => opened_type === "RENDEZVOUS_START");
    const decoded = decodeStart(parse(vector?.plaintext ?? ""));
    expect(decoded).toMatchObject({ ok: true, value: { startAtMs: NOW * 1000 + 1800, startInMs: null } });
    if (!decoded.ok) return;
    expect(decoded.value.candidates).toHaveLength(5);
    expect(encodeStart(decoded.value)).toBe(vector?.plaintext);
  });
});

const key = fc.integer({ min: 1, max: 30_000 }).map(keyOf);
const otherKey = fc.integer({ min: 30_001, max: 60_000 }).map(keyOf);
const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  host: fc.constantFrom("203.0.113.1", "198.51.100.7", "10.1.2.3", "2001:db8::7"),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const endpoints = (maxLength: number): fc.Arbitrary<Endpoint[]> =>
  fc.uniqueArray(endpoint, { maxLength, selector: ({ host, port }) => `${host} ${port}` });
const natType = fc.constantFrom<NatType>("cone", "symmetric", "unknown", "");
const session = fc.constantFrom("0123456789abcdef", "ffffffffffffffff");

describe("what is written is read back", () => {
  test("OFFER", () => {
    const arbitrary: fc.Arbitrary<Offer> = fc.record({
      from: key,
      target: otherKey,
      timestampSeconds: fc.nat(),
      candidates: endpoints(8),
      wireguardCandidates: endpoints(8),
      natType,
    });
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(decodeOffer(parse(encodeOffer(value)))).toEqual({ ok: true, value });
      }),
    );
  });

  test("START", () => {
    const arbitrary: fc.Arbitrary<Start> = fc
      .record({
        peer: key,
        introducer: fc.option(otherKey),
        timestampSeconds: fc.nat(),
        candidates: endpoints(16),
        wireguardCandidates: endpoints(8),
        natType,
        startAtMs: fc.nat(),
        timing: fc.option(fc.record({ inMs: fc.nat(5_000), delayMs: fc.nat(1_000) })),
      })
      .map(({ timing, ...rest }) => ({
        ...rest,
        pairId: pairId(rest.peer, keyOf(0)),
        startInMs: timing?.inMs ?? null,
        delayMs: timing?.delayMs ?? 0,
      }));
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(decodeStart(parse(encodeStart(value)))).toEqual({ ok: true, value });
      }),
    );
  });

  test("INVITE and PUNCH", () => {
    const punch: fc.Arbitrary<Punch> = fc.record({
      from: key,
      to: otherKey,
      timestampSeconds: fc.nat(),
      session,
      at: fc.option(endpoint),
      seen: fc.option(session),
      observed: fc.option(endpoint),
    });
    fc.assert(
      fc.property(punch, (value) => {
        expect(decodePunch(parse(encodePunch(value)))).toEqual({ ok: true, value });
        const invite = { from: value.from, peer: value.to, timestampSeconds: value.timestampSeconds };
        expect(decodeInvite(parse(encodeInvite(invite)))).toEqual({ ok: true, value: invite });
      }),
    );
  });
});

describe("what is refused", () => {
  const offer = encodeOffer({
    ...{ from: keyOf(1), target: keyOf(2), timestampSeconds: NOW },
    ...{ candidates: [], wireguardCandidates: [], natType: "" },
  });
  const start = encodeStart({
    ...{ peer: keyOf(1), introducer: null, pairId: pairId(keyOf(1), keyOf(2)), timestampSeconds: NOW },
    ...{ candidates: [], wireguardCandidates: [], natType: "", startAtMs: 0, startInMs: 300, delayMs: 0 },
  });
  const punch = encodePunch({
    ...{ from: keyOf(1), to: keyOf(2), timestampSeconds: NOW, session: "0123456789abcdef" },
    ...{ at: null, seen: "0123456789abcdef", observed: null },
  });

  test.each([
    [offer.replace(keyOf(2), keyOf(1)), "target_pubkey"],
    [offer.replace(keyOf(2), "junk"), "target_pubkey"],
    [offer.replace(keyOf(1), "junk"), "from_pubkey"],
    [offer.replace(pairId(keyOf(1), keyOf(2)), "0000000000000000"), "pair_id"],
    [offer.replace(`"${pairId(keyOf(1), keyOf(2))}"`, "[]"), "json"],
  ])("OFFER %s", (payload, field) => {
    expect(decodeOffer(parse(payload))).toEqual({ ok: false, field });
  });

  test.each([
    [start.replace(keyOf(1), "junk"), "peer_pubkey"],
    [start.replace(/"pair_id":"[^"]*"/, `"pair_id":""`), "pair_id"],
    [start.replace(`"start_at_unix_ms":0`, `"start_at_unix_ms":-1`), "start_at_unix_ms"],
    [start.replace(`"start_in_ms":300`, `"start_in_ms":5001`), "start_in_ms"],
    [start.replace(`"start_in_ms":300`, `"start_in_ms":-1`), "start_in_ms"],
    [start.replace(`"delay_ms":0`, `"delay_ms":1001`), "delay_ms"],
    [start.replace(`"delay_ms":0`, `"delay_ms":"0"`), "json"],
  ])("START %s", (payload, field) => {
    expect(decodeStart(parse(payload))).toEqual({ ok: false, field });
  });

  test.each([
    [punch.replace(keyOf(2), keyOf(1)), "to_pubkey"],
    [punch.replace(`"session":"0123456789abcdef"`, `"session":"0123456789ABCDEF"`), "session"],
    [punch.replace(`"seen":"0123456789abcdef"`, `"seen":"x"`), "seen"],
    [punch.replace(keyOf(1), ""), "from_pubkey"],
    ["[]", "json"],
  ])("PUNCH %s", (payload, field) => {
    expect(decodePunch(parse(payload))).toEqual({ ok: false, field });
  });
});
