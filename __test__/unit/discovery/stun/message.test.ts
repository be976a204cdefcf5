import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endpointText } from "../../../../src/core/types.ts";
import { crc32 } from "../../../../src/discovery/stun/crc32.ts";
import {
  decodeMessage,
  encodeMessage,
  HEADER_BYTES,
  looksLikeStun,
  transactionKey,
} from "../../../../src/discovery/stun/message.ts";
import { arbitraryIpv4, arbitraryIpv6 } from "../../support/announcements.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { vectors } from "../../support/vectors.ts";

const ID = Buffer.from("abcdefghijkl");

/** What a client that sent `id` takes from the answer: the Go peer's rule, as the vectors tell it. */
function answer(data: Buffer, id: Buffer): string {
  const message = decodeMessage(data);
  const ours = message?.class === "success" && message.transactionId.equals(id);
  return ours && message.mapped !== null ? endpointText(message.mapped) : "reject";
}

describe("vectors: stun", () => {
  test.each(vectors<{ response_hex: string; txid_hex: string; expected: string }>("stun"))(
    "$what",
    ({ response_hex: response, txid_hex: id, expected }) => {
      expect(answer(Buffer.from(response, "hex"), Buffer.from(id, "hex"))).toBe(expected);
    },
  );
});

describe("vectors of RFC 5769, without their credentials", () => {
  // Section 2.2 and 2.3, cut after XOR-MAPPED-ADDRESS (MESSAGE-INTEGRITY and FINGERPRINT cover what was cut off).
  const id = "b7e7a701bc34d686fa87dfae";
  const software = "8022000b7465737420766563746f7220";

  test("IPv4", () => {
    const bytes = Buffer.from(`0101001c2112a442${id}${software}002000080001a147e112a643`, "hex");
    expect(answer(bytes, Buffer.from(id, "hex"))).toBe("192.0.2.1:32853");
  });

  test("IPv6", () => {
    const bytes = Buffer.from(
      `010100282112a442${id}${software}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`,
      "hex",
    );
    expect(answer(bytes, Buffer.from(id, "hex"))).toBe("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  });

  test("a whole response with MESSAGE-INTEGRITY and its FINGERPRINT", () => {
    const bytes = Buffer.from(
      `0101003c2112a442${id}${software}002000080001a147e112a643` +
        "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
      "hex",
    );
    expect(answer(bytes, Buffer.from(id, "hex"))).toBe("192.0.2.1:32853");
    bytes[bytes.length - 1] = 0x97;
    expect(decodeMessage(bytes)).toBeNull();
  });
});

const endpoint = fc.record({
  host: fc.oneof(arbitraryIpv4, arbitraryIpv6),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const content = fc.record({
  mapped: fc.option(endpoint),
  responseOrigin: fc.option(endpoint),
  otherAddress: fc.option(endpoint),
  changeRequest: fc.option(fc.record({ ip: fc.boolean(), port: fc.boolean() })),
  error: fc.option(
    fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: fc.stringMatching(/^[ -~]{0,60}$/) }),
  ),
  plainAddress: fc.boolean(),
  fingerprint: fc.boolean(),
  software: fc.stringMatching(/^[ -~]{0,20}$/),
  unknownAttributes: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 5 }),
});
const messageClass = fc.constantFrom("request", "indication", "success", "error");
const id = fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => Buffer.from(bytes));

describe("codec", () => {
  test("what is encoded is decoded, and nothing is left of it with a byte less", () => {
    fc.assert(
      fc.property(messageClass, id, content, (kind, transactionId, told) => {
        const bytes = encodeMessage(kind, transactionId, told);
        const { mapped, responseOrigin, otherAddress, changeRequest, error } = told;
        expect(decodeMessage(bytes)).toEqual({
          class: kind,
          transactionId,
          ...{ mapped, responseOrigin, otherAddress, changeRequest, error },
        });
        expect(transactionKey(bytes)).toBe(transactionId.toString("latin1"));
        expect(decodeMessage(bytes.subarray(0, -1))).toBeNull();
      }),
    );
  });

  test("a request of ours is the header and nothing else", () => {
    expect(encodeMessage("request", ID).toString("hex")).toBe(`000100002112a442${ID.toString("hex")}`);
    expect(() => encodeMessage("request", Buffer.alloc(11))).toThrow(RangeError);
  });

  test("any changed byte is found by the fingerprint", () => {
    const mapped = { host: "203.0.113.9", port: 40_000 };
    const bytes = encodeMessage("success", ID, { mapped, fingerprint: true });
    expect(decodeMessage(bytes)?.mapped).toEqual(mapped);
    for (let index = 0; index < bytes.length; index += 1) {
      // With another type it is no fingerprint any more, and nothing vouches for the rest.
      if (index === bytes.length - 8 || index === bytes.length - 7) continue;
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] as number) ^ 1;
      expect(decodeMessage(changed)).toBeNull();
    }
  });

  test("an unknown attribute that must be understood spoils an answer, another does not", () => {
    const body = (type: string): Buffer =>
      Buffer.from(`010100142112a442${ID.toString("hex")}${type}000461626364002000080001bd52ea12d54b`, "hex");
    expect(answer(body("7fff"), ID)).toBe("reject");
    expect(answer(body("0005"), ID)).toBe("203.0.113.9:40000");
    expect(answer(body("ffff"), ID)).toBe("203.0.113.9:40000");
  });

  test("neither WireGuard's nor JSON's datagrams look like STUN", () => {
    for (const first of [1, 2, 3, 4]) {
      const packet = Buffer.alloc(148, first);
      packet.writeUInt32LE(first, 0);
      expect(looksLikeStun(packet)).toBe(false);
    }
    expect(looksLikeStun(Buffer.from(`{"type":"HELLO","nonce":"${"A".repeat(100)}"}`))).toBe(false);
    expect(looksLikeStun(encodeMessage("request", ID))).toBe(true);
  });

  test("CRC-32 is that of zip", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  });
});

describe("hostile input", () => {
  test("100,000 broken messages: no error, and what is read lies inside the message", () => {
    const random = seededRandom("stun fuzz");
    const seeds = fc.sample(fc.tuple(messageClass, id, content), { numRuns: 200, seed: 7 });
    const bytes = seeds.map(([kind, transactionId, told]) => encodeMessage(kind, transactionId, told));
    const pick = (below: number): number => Math.floor(random.unit() * below);
    let taken = 0;
    for (let round = 0; round < 100_000; round += 1) {
      let data = Buffer.from(bytes[pick(bytes.length)] as Buffer);
      for (let change = pick(4); change >= 0; change -= 1) {
        const at = pick(data.length);
        switch (pick(5)) {
          case 0:
            data[at] = pick(256);
            break;
          case 1:
            data = data.subarray(0, Math.max(1, at));
            break;
          case 2:
            if (at + 2 <= data.length) data.writeUInt16BE([0, 1, 0xfffd, 0xffff][pick(4)] as number, at);
            break;
          case 3:
            data = Buffer.concat([data.subarray(0, at), random.bytes(pick(40)), data.subarray(at)]);
            break;
          default:
            // The length is kept true, so that the attributes behind it are reached.
            if (data.length >= HEADER_BYTES) data.writeUInt16BE((data.length - HEADER_BYTES) & 0xfffc, 2);
        }
      }
      const message = decodeMessage(data);
      if (message === null) continue;
      taken += 1;
      for (const seen of [message.mapped, message.responseOrigin, message.otherAddress]) {
        if (seen !== null && (seen.port < 1 || seen.port > 65_535)) throw new Error(`port ${seen.port}`);
      }
    }
    // Both outcomes are met often, or the loop shows nothing.
    expect(taken).toBeGreaterThan(1_000);
    expect(taken).toBeLessThan(90_000);
  });

  test("arbitrary bytes behind a good header: no error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const header = encodeMessage("success", ID);
        header.writeUInt16BE(body.length & 0xfffc, 2);
        decodeMessage(Buffer.concat([header, body]));
      }),
      { numRuns: 2_000 },
    );
  });
});
