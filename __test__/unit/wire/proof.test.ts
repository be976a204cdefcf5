import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MESSAGE_ID_BYTES, PROOF_OVERHEAD_BYTES, splitProof, withProof } from "../../../src/wire/proof.ts";
import { testKey } from "../discovery/memoryMesh.ts";
import { testProver } from "../support/prover.ts";

const [a, b, c] = ["a", "b", "c"].map(testKey) as [
  ReturnType<typeof testKey>,
  ReturnType<typeof testKey>,
  ReturnType<typeof testKey>,
];
const id = Buffer.alloc(MESSAGE_ID_BYTES, 7);
const payload = `{"protocol":"wgmesh-v1","wg_pubkey":"${a}","timestamp":5}`;

describe("withProof", () => {
  test("appends an id and the proof as last members, and takes the bytes it says", () => {
    const text = withProof(payload, "HELLO", b, testProver(a), id);
    const { message_id, proof, ...rest } = JSON.parse(text);
    expect(JSON.stringify(rest)).toBe(payload);
    expect(message_id).toBe("070707070707");
    expect(Object.keys(JSON.parse(text)).slice(-2)).toEqual(["message_id", "proof"]);
    expect(Buffer.from(proof, "base64")).toHaveLength(32);
    expect(text.length - payload.length).toBe(PROOF_OVERHEAD_BYTES);
  });

  test("leaves the payload alone when no proof can be made", () => {
    expect(withProof(payload, "HELLO", b, { ...testProver(a), prove: () => null }, id)).toBe(payload);
  });
});

describe("splitProof", () => {
  const sent = withProof(payload, "HELLO", b, testProver(a), id);

  test("gives back what was signed, so that the receiver can check it and nobody else can make it", () => {
    const split = splitProof(Buffer.from(sent));
    if (split === null) throw new Error("no proof found");
    expect(split.signed.toString()).toBe(`${payload.slice(0, -1)},"message_id":"070707070707"}`);
    const checks = (owner: typeof a, sender: typeof a, type: string): boolean =>
      testProver(owner).verify(sender, type, split.signed, split.proof);
    expect(checks(b, a, "HELLO")).toBe(true);
    expect(checks(b, a, "GOODBYE")).toBe(false);
    expect(checks(b, c, "HELLO")).toBe(false);
    expect(checks(c, a, "HELLO")).toBe(false);
  });

  test("any changed byte of the payload is no proof, or a wrong one", () => {
    const bytes = Buffer.from(sent);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        const split = splitProof(changed);
        const good = split !== null && testProver(b).verify(a, "HELLO", split.signed, split.proof);
        expect(good).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["nothing", ""],
    ["a payload without one", payload],
    ["one that is too short", sent.replace(/"proof":"..../, '"proof":"')],
    [
      "one with spare bits set",
      sent.replace(/.="}$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}="}`),
    ],
    ["one that is not the last member", `${sent.slice(0, -1)},"x":1}`],
    ["another alphabet", sent.replace(/.{5}="}$/, '_____="}')],
    ["nothing but a proof", sent.slice(sent.indexOf(',"proof"'))],
  ])("takes %s for a message without proof", (_what, text) => {
    expect(splitProof(Buffer.from(text))).toBeNull();
  });
});
