/**
 * PUNCH, a message of ours between WireGuard's ports of two nodes: it opens the NATs on its way and proves a path. A probe says where
 * it is sent to (`at`); its receiver answers at once to where it came from, repeating that. An answer that arrives from the very
 * address it repeats proves both directions of one path: our packet got there, and this one came back.
 */
import { type Endpoint, endpointText, type PublicKey, parsePublicKey } from "../core/types.ts";
import { transitiveEndpoint } from "./endpointRules.ts";
import { PROTOCOL } from "./envelope.ts";
import { goString } from "./goJson.ts";
import type { JsonObject } from "./json.ts";
import { memberReader } from "./members.ts";

export const PUNCH = "PUNCH";
/** It is sent many times within seconds, by clocks that need not agree; replays are known by their proof. */
export const SESSION_BYTES = 8;

const SESSION = /^[0-9a-f]{16}$/;

export interface Punch {
  readonly from: PublicKey;
  readonly to: PublicKey;
  readonly timestampSeconds: number;
  /** 16 hex digits: the sender's attempt. */
  readonly session: string;
  /** A probe: where it was sent to. An answer: what the probe said. Null when that can be nobody's address. */
  readonly at: Endpoint | null;
  /** Null in a probe; in an answer the session of the probe. */
  readonly seen: string | null;
  /** In an answer: where the probe came from. */
  readonly observed: Endpoint | null;
}

const readPunch = memberReader({
  from_pubkey: "string",
  to_pubkey: "string",
  timestamp: "integer",
  session: "string",
  at: "string",
  seen: "string",
  observed: "string",
});

export type PunchField = "json" | "from_pubkey" | "to_pubkey" | "session" | "seen";

export type DecodedPunch =
  | { readonly ok: true; readonly value: Punch }
  | { readonly ok: false; readonly field: PunchField };

export function decodePunch(payload: JsonObject): DecodedPunch {
  const members = readPunch(payload);
  if (members === undefined) return { ok: false, field: "json" };
  const from = parsePublicKey(members.from_pubkey);
  if (from === null) return { ok: false, field: "from_pubkey" };
  const to = parsePublicKey(members.to_pubkey);
  if (to === null || to === from) return { ok: false, field: "to_pubkey" };
  if (!SESSION.test(members.session)) return { ok: false, field: "session" };
  if (members.seen !== "" && !SESSION.test(members.seen)) return { ok: false, field: "seen" };
  return {
    ok: true,
    value: {
      from,
      to,
      timestampSeconds: members.timestamp,
      session: members.session,
      at: transitiveEndpoint(members.at),
      seen: members.seen === "" ? null : members.seen,
      observed: transitiveEndpoint(members.observed),
    },
  };
}

export function encodePunch(punch: Punch): string {
  const optional = (name: string, text: string | null): string =>
    text === null ? "" : `,"${name}":${goString(text)}`;
  return [
    `{"protocol":"${PROTOCOL}","timestamp":${punch.timestampSeconds}`,
    `,"from_pubkey":${goString(punch.from)},"to_pubkey":${goString(punch.to)},"session":"${punch.session}"`,
    optional("at", punch.at && endpointText(punch.at)),
    optional("seen", punch.seen),
    optional("observed", punch.observed && endpointText(punch.observed)),
    "}",
  ].join("");
}
