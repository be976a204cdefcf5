import { describe, expect, test } from "vitest";
import { encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { decodeGoodbye, encodeGoodbye } from "../../../src/wire/goodbye.ts";
import { type JsonObject, readJson } from "../../../src/wire/json.ts";
import { ip, keyOf } from "../support/announcements.ts";
import { vectors } from "../support/vectors.ts";

const NOW = 1_767_225_600;

function decode(payload: string): ReturnType<typeof decodeGoodbye> {
  return decodeGoodbye(readJson(payload, 10_000) as JsonObject, NOW * 1000);
}

describe("GOODBYE", () => {
  test("is written as in the vectors, and read back", () => {
    const vector = vectors<{ plaintext: string; opened_type: string }>("envelopes").find(
      ({ opened_type }) => opened_type === "GOODBYE",
    );
    const decoded = decode(vector?.plaintext ?? "");
    expect(decoded).toMatchObject({ ok: true, value: { timestampSeconds: NOW } });
    if (decoded.ok) expect(encodeGoodbye(decoded.value.publicKey, NOW)).toBe(vector?.plaintext);
  });

  test("counts within 60 s of our clock, either way", () => {
    const at = (offset: number): unknown => decode(encodeGoodbye(keyOf(1), NOW + offset));
    expect([-60, 60].map((offset) => at(offset))).toMatchObject([{ ok: true }, { ok: true }]);
    expect(at(-61)).toEqual({ ok: false, stage: "goodbye_age" });
    expect(at(61)).toEqual({ ok: false, stage: "goodbye_age" });
  });

  test("an announcement relabelled on its way is none (weak point 1)", () => {
    const { payload } = encodeAnnouncement("HELLO", {
      publicKey: keyOf(1),
      hostname: "",
      meshIp: ip("10.0.0.1"),
      meshIpv6: null,
      wgEndpoint: "",
      introducer: false,
      networks: [],
      timestampSeconds: NOW,
      knownPeers: [],
      observedEndpoint: "",
      natType: "",
      instance: "",
    });
    expect(decode(payload)).toEqual({ ok: false, stage: "goodbye_announcement" });
    expect(decode(payload.replace("mesh_ip", "Mesh_IP").replace("wg_endpoint", "x"))).toEqual({
      ok: false,
      stage: "goodbye_announcement",
    });
  });

  test.each([
    [`{"wg_pubkey":"x","timestamp":${NOW}}`, "goodbye_key"],
    [`{"timestamp":${NOW}}`, "goodbye_key"],
    [`{"wg_pubkey":1,"timestamp":${NOW}}`, "goodbye_json"],
    [`{"wg_pubkey":"${keyOf(1)}"}`, "goodbye_age"],
  ])("%s is refused", (payload, stage) => {
    expect(decode(payload)).toEqual({ ok: false, stage });
  });
});
