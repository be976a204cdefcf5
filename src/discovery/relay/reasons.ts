/** Why there is no path to a peer, in a sentence for the operator. */
import type { Refusal } from "../../wire/relay.ts";

/** A peer that was heard this shortly before it was lost may have been gone by then. */
const GONE_MARGIN_MS = 1_000;
/** As long as records of peers live that nobody hears. */
const STALE_MS = 10 * 60_000;

const WHY: Readonly<Record<Refusal | "silent" | "broken", string>> = {
  off: "the relay asked does not relay",
  unknown: "the relay asked does not reach the peer either",
  full: "the relay asked has no room",
  foreign:
    "the peer is of another implementation, whose relays can read what they forward (--allow-plaintext-relay)",
  silent: "the relay asked did not answer",
  broken: "nothing came through the relay",
};

export function reasonText(
  punchFailure: string | null,
  facts: { readonly hopeless: boolean; readonly forced: boolean; readonly hasRelays: boolean },
  refusal: Refusal | "silent" | "broken" | null,
): string {
  const symmetric = facts.hopeless && !facts.forced ? "both are behind symmetric NATs" : null;
  const direct = facts.forced ? "--force-relay" : (symmetric ?? punchFailure ?? "no direct handshake");
  const relay = !facts.hasRelays
    ? "no trusted node that is reachable from outside relays"
    : refusal === null
      ? "no relay has offered itself yet"
      : WHY[refusal];
  return `${direct}; ${relay}`;
}

/** Of a peer that nobody hears; `nowMs` is Unix time. */
export function silenceText(nowMs: number, heardAgoMs: number): string {
  if (!Number.isFinite(heardAgoMs)) return "never heard in this run";
  return `no answer since ${new Date(nowMs - heardAgoMs).toISOString()}`;
}

/** Who was connected and has not been heard of since it was lost is gone; one never met, when nobody hears it any more. */
export function isGone(
  facts: { readonly handshakeAgeMs: number; readonly heardAgoMs: number },
  lostMs: number,
): boolean {
  if (facts.handshakeAgeMs === Number.POSITIVE_INFINITY) return facts.heardAgoMs > STALE_MS;
  return facts.heardAgoMs > lostMs - GONE_MARGIN_MS;
}
