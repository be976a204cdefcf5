/**
 * How a relay is agreed on: messages of ours, sealed like all others and always with a proof, since each of them says what is to
 * become of a peer's packets.
 *
 * RELAY_REQUEST: an end asks a node to relay between itself and a peer. RELAY_OFFER: the node tells both ends where its relay is
 * and which token opens it, or RELAY_REFUSE why not. RELAY_ECHO goes from end to end through the relay, before and while it is
 * used: only the other end can answer it. RELAY_SWITCH goes from end to end through the tunnel and moves both to the direct path
 * together. RELAY_CLOSE ends a session.
 */
import { type PublicKey, parsePublicKey } from "../core/types.ts";
import { PROTOCOL } from "./envelope.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";

export const TOKEN_BYTES = 8;
export const SESSION_BYTES = 8;

const REFUSALS = ["off", "unknown", "full", "foreign"] as const;
/** off: it does not relay. unknown: it does not reach the peer. full: all it may give is given. foreign: the peer has no proofs. */
export type Refusal = (typeof REFUSALS)[number];

const STEPS = ["propose", "accept", "refuse", "check", "checked"] as const;
/**
 * propose: let us go direct. accept: done on this side; or refuse. check and its answer checked: the direct path still works.
 */
export type SwitchStep = (typeof STEPS)[number];

interface Common {
  readonly from: PublicKey;
  readonly timestampSeconds: number;
}

export type RelayMessage =
  | (Common & { readonly type: "RELAY_REQUEST"; readonly peer: PublicKey })
  | (Common & {
      readonly type: "RELAY_OFFER";
      /** The other end. */
      readonly peer: PublicKey;
      /** The end that asked. */
      readonly lead: PublicKey;
      /** UDP, at the address at which the relay is known. */
      readonly port: number;
      /** 16 hex digits, the same for both ends. */
      readonly session: string;
      /** 16 hex digits, of the receiver alone. */
      readonly token: string;
    })
  | (Common & { readonly type: "RELAY_REFUSE"; readonly peer: PublicKey; readonly reason: Refusal })
  | (Common & {
      readonly type: "RELAY_ECHO";
      readonly session: string;
      /** 16 hex digits; the answer repeats them. */
      readonly nonce: string;
      readonly answer: boolean;
    })
  | (Common & { readonly type: "RELAY_SWITCH"; readonly session: string; readonly step: SwitchStep })
  | (Common & { readonly type: "RELAY_CLOSE"; readonly session: string });

type WithoutCommon<T> = T extends unknown ? Omit<T, keyof Common> : never;
/** A message without what is the same in all of ours. */
export type RelayContent = WithoutCommon<RelayMessage>;

export type RelayMessageType = RelayMessage["type"];

const TYPES: ReadonlySet<string> = new Set<RelayMessageType>([
  "RELAY_REQUEST",
  "RELAY_OFFER",
  "RELAY_REFUSE",
  "RELAY_ECHO",
  "RELAY_SWITCH",
  "RELAY_CLOSE",
]);

const HEX16 = /^[0-9a-f]{16}$/;

const readMembers = memberReader({
  timestamp: "integer",
  from_pubkey: "string",
  peer_pubkey: "string",
  lead_pubkey: "string",
  port: "integer",
  session: "string",
  token: "string",
  reason: "string",
  nonce: "string",
  answer: "boolean",
  step: "string",
});

/** Not all that can be in a message: those of its type count. */
type Members = NonNullable<ReturnType<typeof readMembers>>;

export type DecodedRelayMessage =
  | { readonly ok: true; readonly value: RelayMessage }
  | { readonly ok: false; readonly field: string };

export function isRelayMessageType(type: string): type is RelayMessageType {
  return TYPES.has(type);
}

/** Decodes the payload of a message of that type; the first field that breaks its rule refuses it. */
export function decodeRelayMessage(type: RelayMessageType, payload: JsonObject): DecodedRelayMessage {
  const members = readMembers(payload);
  if (members === undefined) return refuse("json");
  const from = parsePublicKey(members.from_pubkey);
  if (from === null) return refuse("from_pubkey");
  const common = { from, timestampSeconds: members.timestamp };
  switch (type) {
    case "RELAY_REQUEST": {
      const peer = otherKey(members.peer_pubkey, from);
      return peer === null ? refuse("peer_pubkey") : take({ type, ...common, peer });
    }
    case "RELAY_OFFER":
      return decodeOffer(members, common);
    case "RELAY_REFUSE": {
      const peer = otherKey(members.peer_pubkey, from);
      if (peer === null) return refuse("peer_pubkey");
      const reason = REFUSALS.find((word) => word === members.reason);
      return reason === undefined ? refuse("reason") : take({ type, ...common, peer, reason });
    }
    case "RELAY_ECHO": {
      const { session, nonce, answer } = members;
      if (!HEX16.test(session)) return refuse("session");
      return HEX16.test(nonce) ? take({ type, ...common, session, nonce, answer }) : refuse("nonce");
    }
    case "RELAY_SWITCH": {
      const step = STEPS.find((word) => word === members.step);
      if (!HEX16.test(members.session)) return refuse("session");
      return step === undefined ? refuse("step") : take({ type, ...common, session: members.session, step });
    }
    case "RELAY_CLOSE":
      return HEX16.test(members.session)
        ? take({ type, ...common, session: members.session })
        : refuse("session");
  }
}

function decodeOffer(members: Members, common: Common): DecodedRelayMessage {
  const { session, token, port } = members;
  const peer = otherKey(members.peer_pubkey, common.from);
  if (peer === null) return refuse("peer_pubkey");
  const lead = parsePublicKey(members.lead_pubkey);
  if (lead === null || lead === common.from) return refuse("lead_pubkey");
  if (port < 1 || port > 65_535) return refuse("port");
  if (!HEX16.test(session)) return refuse("session");
  if (!HEX16.test(token)) return refuse("token");
  return take({ type: "RELAY_OFFER", ...common, peer, lead, port, session, token });
}

/** The payload, in the order of the type's members. */
export function encodeRelayMessage(message: RelayMessage): string {
  const { type, from, timestampSeconds, ...rest } = message;
  const members = Object.entries(rest).map(([name, value]) => {
    const wireName = name === "peer" || name === "lead" ? `${name}_pubkey` : name;
    return `,"${wireName}":${typeof value === "string" ? goString(value) : value}`;
  });
  const head = `{"protocol":"${PROTOCOL}","timestamp":${timestampSeconds},"from_pubkey":${goString(from)}`;
  return `${head}${members.join("")}}`;
}

function otherKey(text: string, from: PublicKey): PublicKey | null {
  const key = parsePublicKey(text);
  return key === from ? null : key;
}

const refuse = (field: string): DecodedRelayMessage => ({ ok: false, field });
const take = (value: RelayMessage): DecodedRelayMessage => ({ ok: true, value });
