import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import {
  aged,
  decodeDandelion,
  encodeDandelion,
  type PassedAnnouncement,
} from "../../../src/wire/dandelion.ts";
import { envelopeSize } from "../../../src/wire/envelope.ts";
import { JsonObject, readJson } from "../../../src/wire/json.ts";
import { testKey } from "../discovery/memoryMesh.ts";
import { vectors } from "../support/vectors.ts";

function decoded(text: string): ReturnType<typeof decodeDandelion> {
  const json = readJson(text, 10_000);
  if (!(json instanceof JsonObject)) throw new Error("not an object");
  return decodeDandelion(json);
}

const message: PassedAnnouncement = {
  origin: testKey("origin"),
  meshIp: "10.1.2.3" as IpAddress,
  endpoint: "203.0.113.5:51820",
  hopCount: 2,
  timestampSeconds: 1_767_225_600,
  nonce: "0123456789abcdef".repeat(2),
  ageSeconds: 7,
  fluff: true,
};

describe("an announcement by stem and fluff", () => {
  test.each(vectors<{ json: string }>("dandelion_announce"))(
    "has the fields of the vector: $what",
    ({ json }) => {
      const fields = JSON.parse(json) as Record<string, unknown>;
      expect(decoded(json)).toEqual({
        ok: true,
        value: {
          origin: fields.origin_pubkey,
          meshIp: fields.origin_mesh_ip,
          endpoint: fields.origin_endpoint,
          hopCount: fields.hop_count,
          timestampSeconds: fields.timestamp,
          nonce: Buffer.from(String(fields.nonce), "base64").toString("hex"),
          ageSeconds: 1,
          fluff: false,
        },
      });
      const ours = JSON.parse(encodeDandelion({ ...message, hopCount: 2 })) as Record<string, unknown>;
      expect(Object.keys(ours).filter((name) => name in fields)).toEqual(Object.keys(fields));
    },
  );

  test("comes back as it was sent, whatever it says", () => {
    fc.assert(
      fc.property(
        fc.record({
          hopCount: fc.integer({ min: 0, max: 255 }),
          ageSeconds: fc.integer({ min: 1, max: 300 }),
          fluff: fc.boolean(),
          nonce: fc
            .uint8Array({ minLength: 16, maxLength: 16 })
            .map((bytes) => Buffer.from(bytes).toString("hex")),
          endpoint: fc.constantFrom("", "[2001:db8::1]:51820", "198.51.100.7:1"),
        }),
        (fields) => {
          const sent = { ...message, ...fields };
          expect(decoded(encodeDandelion(sent))).toEqual({ ok: true, value: sent });
        },
      ),
    );
  });

  test("fits into any link", () => {
    const longest = { ...message, endpoint: `[${"2001:db8:1111:2222:3333:4444:5555:6666"}]:51820` };
    expect(envelopeSize("DANDELION", encodeDandelion(longest).length)).toBeLessThan(700);
  });

  const text = encodeDandelion(message);
  test.each([
    ["origin_pubkey", `"origin_pubkey":"${message.origin}"`, `"origin_pubkey":"x"`],
    ["origin_mesh_ip", `"10.1.2.3"`, `"10.1.2"`],
    ["origin_endpoint", `203.0.113.5:51820`, `203.0.113.5`],
    ["hop_count", `"hop_count":2`, `"hop_count":256`],
    ["hop_count", `"hop_count":2`, `"hop_count":-1`],
    ["nonce", `"nonce":"`, `"nonce":"AAAA`],
    ["age", `"age":7`, `"age":301`],
    ["age", `"age":7`, `"age":-1`],
    ["json", `"fluff":true`, `"fluff":"yes"`],
    ["routable_networks[0]", `"fluff":true`, `"routable_networks":["10.0.0.0/33"]`],
  ])("is refused for a bad %s", (field, good, bad) => {
    expect(text).toContain(good);
    expect(decoded(text.replace(good, bad))).toEqual({ ok: false, field });
  });

  test("grows older where it is held, in whole seconds, until it is of no use", () => {
    expect(aged(message, 999)).toBe(message);
    expect(aged(message, 2_500)?.ageSeconds).toBe(9);
    expect(aged(message, 293_000)?.ageSeconds).toBe(300);
    expect(aged(message, 294_000)).toBeNull();
  });
});
