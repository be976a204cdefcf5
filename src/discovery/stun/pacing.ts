/**
 * When STUN asks again. Pure.
 */

/** NATs forget an idle UDP mapping after 30 s at the soonest that matters (RFC 4787 section 4.3 asks for two minutes; Linux has 30 s). */
const HOLD_FROM_MS = 20_000;
const HOLD_TO_MS = 26_000;
/** When nobody needs the mapping, WireGuard's keepalive of 25 s holds its own. */
const CALM_MS = 5 * 60_000;
const RETRY_FIRST_MS = 1_000;
/** Pings are to be back 5 s after the network is; so for some minutes of an outage nothing waits longer. */
const RETRY_SOON_MS = 2_000;
const SOON_ROUNDS = 40;
/** Where no server ever answered and nobody waits for one, there is no outage to end: a LAN that leads nowhere. */
const FIRST_ROUNDS = 5;

export interface PaceState {
  /** Rounds in a row without any answer. */
  readonly failures: number;
  /** Somebody is not connected yet, or the mapping is in use. */
  readonly needed: boolean;
  /** Some server has answered since the start. */
  readonly answered: boolean;
}

/** How long after the end of a round the next one begins, milliseconds; `unit` is chance from 0 to 1. */
export function pauseMs({ answered, failures, needed }: PaceState, unit: number): number {
  const holdMs = HOLD_FROM_MS + unit * (HOLD_TO_MS - HOLD_FROM_MS);
  const usualMs = needed ? holdMs : CALM_MS * (0.9 + 0.2 * unit);
  if (failures === 0) return usualMs;
  const late = Math.max(0, failures - (answered || needed ? SOON_ROUNDS : FIRST_ROUNDS));
  const soonMs = Math.min(RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10), RETRY_SOON_MS);
  const retryMs = soonMs * 2 ** Math.min(late, 10) * (0.8 + 0.4 * unit);
  return Math.min(retryMs, usualMs);
}

/** Calm may end at any time: it is looked at this often. */
export const LOOK_EVERY_MS = HOLD_TO_MS;
