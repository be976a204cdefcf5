import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { JsonObject, readJson } from "../../../src/wire/json.ts";
import {
  decodeRelayMessage,
  encodeRelayMessage,
  isRelayMessageType,
  type RelayMessage,
} from "../../../src/wire/relay.ts";

const key = (byte: number): PublicKey => Buffer.alloc(32, byte).toString("base64") as PublicKey;
const common = { from: key(1), timestampSeconds: 1_767_225_600 };
const HEX = "0123456789abcdef";

const MESSAGES: readonly RelayMessage[] = [
  { type: "RELAY_REQUEST", ...common, peer: key(2) },
  {
    ...{ type: "RELAY_OFFER", ...common, peer: key(2), lead: key(3) },
    ...{ port: 40_000, session: HEX, token: "fedcba9876543210" },
  },
  { type: "RELAY_REFUSE", ...common, peer: key(2), reason: "full" },
  { type: "RELAY_ECHO", ...common, session: HEX, nonce: "00000000000000ff", answer: false },
  { type: "RELAY_ECHO", ...common, session: HEX, nonce: "00000000000000ff", answer: true },
  { type: "RELAY_SWITCH", ...common, session: HEX, step: "propose" },
  { type: "RELAY_CLOSE", ...common, session: HEX },
];

function payload(text: string): JsonObject {
  const json = readJson(text, 65_536);
  if (!(json instanceof JsonObject)) throw new Error("not an object");
  return json;
}

const asObject = (message: RelayMessage): Record<string, unknown> => JSON.parse(encodeRelayMessage(message));

describe("messages of the relay", () => {
  test.each(MESSAGES.map((message) => [message.type, message] as const))("%s comes back", (type, message) => {
    expect(isRelayMessageType(type)).toBe(true);
    const decoded = decodeRelayMessage(type, payload(encodeRelayMessage(message)));
    expect(decoded).toEqual({ ok: true, value: message });
  });

  test.each([
    ["RELAY_REQUEST", { from_pubkey: "abc" }, "from_pubkey"],
    ["RELAY_REQUEST", { peer_pubkey: key(1) }, "peer_pubkey"],
    ["RELAY_REQUEST", { timestamp: "now" }, "json"],
    ["RELAY_OFFER", { lead_pubkey: key(1) }, "lead_pubkey"],
    ["RELAY_OFFER", { lead_pubkey: "" }, "lead_pubkey"],
    ["RELAY_OFFER", { port: 0 }, "port"],
    ["RELAY_OFFER", { port: 65_536 }, "port"],
    ["RELAY_OFFER", { token: "FEDCBA9876543210" }, "token"],
    ["RELAY_OFFER", { session: "0123" }, "session"],
    ["RELAY_REFUSE", { reason: "because" }, "reason"],
    ["RELAY_ECHO", { nonce: `${HEX}0` }, "nonce"],
    ["RELAY_SWITCH", { step: "go" }, "step"],
    ["RELAY_CLOSE", { session: "" }, "session"],
  ] as const)("%s with %j is refused for %s", (type, change, field) => {
    const message = MESSAGES.find((candidate) => candidate.type === type);
    if (message === undefined) throw new Error("no such message");
    const text = JSON.stringify({ ...asObject(message), ...change });
    expect(decodeRelayMessage(type, payload(text))).toEqual({ ok: false, field });
  });

  test("whatever a payload holds, decoding ends in a message that encodes, or a refusal", () => {
    const types = MESSAGES.map(({ type }) => type);
    const names = ["from_pubkey", "peer_pubkey", "lead_pubkey", "port", "session", "token", "reason", "step"];
    const value = fc.oneof(
      fc.constantFrom(key(1), key(2), HEX, "check", "off"),
      fc.integer(),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.dictionary(fc.constantFrom(...names), value),
        (type, object) => {
          const decoded = decodeRelayMessage(type, payload(JSON.stringify(object)));
          if (decoded.ok) {
            const again = decodeRelayMessage(type, payload(encodeRelayMessage(decoded.value)));
            expect(again).toEqual(decoded);
          }
        },
      ),
    );
  });
});
