import { describe, expect, test } from "vitest";
import { decodeAnnouncement, encodeAnnouncement } from "../../../src/wire/announcement.ts";
import { type JsonObject, readJson } from "../../../src/wire/json.ts";
import { type RotationNotice, readRotations, rotationText } from "../../../src/wire/rotation.ts";
import { plainAnnouncement } from "../support/announcements.ts";
import { vectors } from "../support/vectors.ts";

const parsed = (text: string): JsonObject => readJson(text, 100_000) as JsonObject;
const [vector] = vectors<{ json: string }>("rotation");
const notice = readRotations([parsed(vector?.json ?? "")])[0] as RotationNotice;

test.each(vectors<{ json: string; what: string; grace_seconds: number }>("rotation"))(
  "vectors: rotation of $grace_seconds s, read and written again, gives the same text",
  ({ json }) => {
    const [read] = readRotations([parsed(json)]);
    expect(read && rotationText(read)).toBe(json);
  },
);

function carried(rotations: readonly RotationNotice[]): readonly RotationNotice[] | undefined {
  const { payload } = encodeAnnouncement("HELLO", { ...plainAnnouncement, rotations });
  const decoded = decodeAnnouncement(parsed(payload));
  if (!decoded.ok) throw new Error(decoded.stage);
  return decoded.value.rotations;
}

describe("in an announcement", () => {
  test("a word of a new secret, and its withdrawal, arrive as they were sent", () => {
    const withdrawn = { ...notice, abort: { timestampSeconds: 5, signature: Buffer.alloc(32, 7) } };
    expect(carried([notice, withdrawn])).toEqual([notice, withdrawn]);
  });

  test("no more than two are sent or looked at", () => {
    expect(carried([notice, notice, notice])).toHaveLength(2);
    const three = Array.from({ length: 3 }, () => parsed(rotationText(notice)));
    expect(readRotations(three)).toHaveLength(2);
  });

  test("nothing is said where there is nothing to say", () => {
    expect(encodeAnnouncement("HELLO", plainAnnouncement).payload).not.toContain("rotation");
    expect(carried([])).toBeUndefined();
  });

  test.each([
    ["a hash that is too short", { ...notice, commitment: Buffer.alloc(31) }],
    ["a signature that is too short", { ...notice, signature: Buffer.alloc(31) }],
    ["a grace below zero", { ...notice, graceSeconds: -1 }],
  ])("%s is passed over, and the message counts", (_, wrong) => {
    expect(carried([wrong, notice])).toEqual([notice]);
  });
});
