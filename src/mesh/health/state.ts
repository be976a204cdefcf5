/**
 * The health of one peer (row E4, PROTOCOL.md section 11.2): (peer, event, now) -> (peer, effects). Pure.
 *
 * ```
 *              proof: a new handshake, an answer to our question, or a question of the peer's that needs one of ours
 *      ┌──────────────────────┬─────────────────────────────┐
 *      ▼                      │                             │
 *   healthy ──asked twice──► suspect ──5 s, no proof──► reconnecting ──210 s without proof──► evicted
 *      │      in vain; or the                               ▲                                    │
 *      │      handshake is stale                            │                                    │ off the interface
 *      │                                                    │ a word of its own                  ▼
 *      └──goodbye (from any state)──────────────────────────┴───────────────────────────────► cooling ──10 min──► forgotten
 * ```
 *
 * A session tells nothing of the last three minutes, and bytes that come in nothing of the way out: only what needed both directions
 * is a proof. A proof always wins, in every state in which the peer is on the interface (weak point 18). Who has never answered a
 * question may be behind a firewall that lets none through: such a peer is judged by its handshakes and its traffic alone.
 */
import type { PeerHealthState } from "../../peers/healthState.ts";

/** All times are monotonic milliseconds. */
export interface PeerHealth {
  readonly state: PeerHealthState;
  readonly sinceMs: number;
  /** When the tunnel was last seen to work in both directions. */
  readonly provenAtMs: number;
  /** The newest handshake, Unix milliseconds, as a name of it; 0 for none. */
  readonly handshakeMs: number;
  /** When it was. */
  readonly shookAtMs: number;
  readonly rxBytes: number;
  /** When more had come in than before. */
  readonly heardAtMs: number;
  readonly readAtMs: number;
  /** It has answered a question, or asked one: so silence says something. */
  readonly answers: boolean;
  /** A question is under way. */
  readonly asking: boolean;
  /** Questions in a row without an answer. */
  readonly misses: number;
  readonly askAtMs: number;
  /** When to start a handshake anew. */
  readonly tryAtMs: number;
  /** When to have other paths looked for. */
  readonly lookAtMs: number;
}

/** What differs between peers and between meshes. */
export interface HealthRules {
  /** After a proof: so long nothing is asked. */
  readonly quietMs: number;
  /** After a tunnel was seen for the first time. */
  readonly firstAskMs: number;
  /** Between a question to a peer in trouble that was not answered and the next. */
  readonly askAgainMs: number;
  /** Between two handshakes that are started anew; of both sides, so that they do not cross for ever. */
  readonly tryEveryMs: number;
}

export type HealthEvent =
  /** What the interface shows of the peer; `handshakeAgeMs` by the wall clock, which may have jumped. */
  | {
      readonly type: "read";
      readonly handshakeMs: number;
      readonly handshakeAgeMs: number;
      readonly rxBytes: number;
    }
  /** The interface does not hold the peer. */
  | { readonly type: "absent" }
  /** It answered our question, or asked us one over a connection that needed our answer. */
  | { readonly type: "answered" | "asked" }
  | { readonly type: "unanswered" }
  /** This node was not there itself to hear the answer. */
  | { readonly type: "missed" }
  /** What was sent to it is not answered. */
  | { readonly type: "silent" }
  /** It spoke for itself outside the tunnel, with a proof if it ever gave one. */
  | { readonly type: "word" }
  | { readonly type: "goodbye" }
  /** This node slept, or had no time: what it did not hear meanwhile says nothing. */
  | { readonly type: "slept"; readonly durationMs: number }
  | { readonly type: "time" };

/**
 * `ask` through the tunnel, have other paths `look`ed for, `try` a handshake anew, `evict` it from store and interface, `forget` it
 * here; the others are told as they are.
 */
export type HealthEffect =
  | "ask"
  | "suspect"
  | "reconnecting"
  | "look"
  | "try"
  | "evict"
  | "readmitted"
  | "recovered"
  | "forget";

export interface HealthStep {
  readonly peer: PeerHealth;
  readonly effects: readonly HealthEffect[];
}

/**
 * The side with the lower key asks first: the question is a proof for both. A beat later the other asks. Questions are half of what an
 * idle node does, so they are as rare as the bound below allows.
 */
export const QUIET_MS = { first: 20_000, second: 22_500 } as const;
/**
 * With more peers than that the first asks after a time that chance draws anew, so that a thousand tunnels that came up together are not
 * asked in one instant, and the second after the longest such time. However many they are, who dies is suspect after
 * 22.5 s + GRID_MS + MISSES * ANSWER_WITHIN_MS = 27.4 s at the latest (row E4: 30 s).
 */
const MANY_PEERS = 20;
const SPREAD_MS = 5_000;
const MANY_QUIET_MS = { first: 15_000, second: 22_500 } as const;
/** Then the handshake is stale (PROTOCOL.md section 11.2). */
export const STALE_MS = 150_000;
/** And so long nothing came in. */
const STALE_QUIET_MS = 20_000;
/** PROTOCOL.md section 11.2, per step. */
export const ANSWER_WITHIN_MS = 1_200;
const FIRST_ASK_SHARE = 0.25;
const FIRST_SPREAD_MS = 10_000;
const MISSES = 2;
const ASK_AGAIN_MS = 1_000;
/** A node that lost its network asks 20 times a second at most, however many it misses. */
const ASK_AGAIN_MS_PER_PEER = 50;
/** Who never answers is asked this seldom. */
const ASK_MUTE_EVERY_MS = 60_000;
const SUSPECT_MS = 5_000;
const LOOK_EVERY_MS = 20_000;
/** Before that WireGuard itself and the paths that others find have their chance. */
const FIRST_TRY_MS = 20_000;
const TRY_EVERY_MS = { first: 4_000, second: 7_000 } as const;
/** Since the last proof: more than a session lives (180 s), less than row E4's 240 s. */
export const EVICT_MS = 210_000;
/** As long as its tombstone stands (peers/tombstones.ts). */
export const COOL_MS = 10 * 60_000;
/** Questions of many peers, and of many nodes of one machine, fall on the same instants. */
const GRID_MS = 2_500;

/**
 * @param goesFirst whether this node's key is the lower one.
 * @param peers how many are known.
 * @param troubled how many of them do not answer.
 * @param chance from 0 to 1, drawn anew each time; counts with many peers alone.
 */
export function rulesFor(goesFirst: boolean, peers: number, troubled = 0, chance = 0): HealthRules {
  const side = goesFirst ? "first" : "second";
  const isMany = peers > MANY_PEERS;
  const drawnMs = isMany && goesFirst ? chance * SPREAD_MS : 0;
  const quietMs = (isMany ? MANY_QUIET_MS : QUIET_MS)[side] + drawnMs;
  const firstAskMs = QUIET_MS[side] * FIRST_ASK_SHARE + (isMany ? chance * FIRST_SPREAD_MS : 0);
  const askAgainMs = Math.max(ASK_AGAIN_MS, ASK_AGAIN_MS_PER_PEER * troubled);
  return { quietMs, firstAskMs, askAgainMs, tryEveryMs: TRY_EVERY_MS[side] };
}

/** A peer whose tunnel was seen for the first time. */
export function newHealth(
  { handshakeMs, handshakeAgeMs, rxBytes }: Extract<HealthEvent, { type: "read" }>,
  nowMs: number,
  rules: HealthRules,
): PeerHealth {
  const shookAtMs = nowMs - Math.max(0, handshakeAgeMs);
  return {
    state: "healthy",
    sinceMs: nowMs,
    provenAtMs: shookAtMs,
    handshakeMs,
    shookAtMs,
    rxBytes,
    heardAtMs: nowMs,
    readAtMs: nowMs,
    answers: false,
    asking: false,
    misses: 0,
    // Soon: who has answered once is known to be able to.
    askAtMs: onGrid(nowMs + rules.firstAskMs),
    tryAtMs: 0,
    lookAtMs: 0,
  };
}

/** A peer that said goodbye before its tunnel was ever seen. */
export function coolHealth(nowMs: number): PeerHealth {
  const never = { type: "read", handshakeMs: 0, handshakeAgeMs: 0, rxBytes: 0 } as const;
  return withHealth(newHealth(never, nowMs, rulesFor(true, 0)), { state: "cooling" });
}

export function stepHealth(
  peer: PeerHealth,
  event: HealthEvent,
  nowMs: number,
  rules: HealthRules,
): HealthStep {
  switch (event.type) {
    case "read":
      return read(peer, event, nowMs, rules);
    case "absent":
      return keep(peer.state === "evicted" ? enter(peer, "cooling", nowMs) : peer);
    case "answered":
      return proved(withHealth(peer, { asking: false, answers: true }), nowMs, rules);
    case "asked":
      return proved(withHealth(peer, { answers: true }), nowMs, rules);
    case "unanswered":
      return unanswered(withHealth(peer, { asking: false, misses: peer.misses + 1 }), nowMs, rules);
    case "missed":
      return keep(withHealth(peer, { asking: false }));
    case "silent":
      return keep(peer.answers ? withHealth(peer, { askAtMs: Math.min(peer.askAtMs, nowMs) }) : peer);
    case "word":
      return isOut(peer) ? { peer: readmitted(peer, nowMs), effects: ["readmitted"] } : keep(peer);
    case "goodbye":
      return keep(enter(withHealth(peer, { asking: false }), "cooling", nowMs));
    case "slept":
      return keep(later(peer, event.durationMs, nowMs));
    case "time":
      return pass(peer, nowMs, rules);
  }
}

/** When `time` has something to do next. */
export function nextAtMs(peer: PeerHealth): number {
  const { state, sinceMs, asking, askAtMs, lookAtMs, tryAtMs, provenAtMs } = peer;
  if (state === "cooling") return sinceMs + COOL_MS;
  if (state === "evicted") return Number.POSITIVE_INFINITY;
  const askMs = asking ? Number.POSITIVE_INFINITY : askAtMs;
  if (state === "suspect") return Math.min(askMs, sinceMs + SUSPECT_MS);
  if (state === "reconnecting") return Math.min(askMs, lookAtMs, tryAtMs, provenAtMs + EVICT_MS);
  return peer.answers ? askMs : Math.min(askMs, staleAtMs(peer));
}

/** Kept out of WireGuard and of the routes. */
export const isOut = ({ state }: PeerHealth): boolean => state === "evicted" || state === "cooling";

const keep = (peer: PeerHealth): HealthStep => ({ peer, effects: [] });
const enter = (peer: PeerHealth, state: PeerHealthState, nowMs: number): PeerHealth =>
  withHealth(peer, { state, sinceMs: nowMs });

/** Written member by member, so that all have one shape in V8: a spread would give each its own, at 300 bytes a peer. */
export function withHealth(peer: PeerHealth, to: Partial<PeerHealth>): PeerHealth {
  return {
    state: to.state ?? peer.state,
    sinceMs: to.sinceMs ?? peer.sinceMs,
    provenAtMs: to.provenAtMs ?? peer.provenAtMs,
    handshakeMs: to.handshakeMs ?? peer.handshakeMs,
    shookAtMs: to.shookAtMs ?? peer.shookAtMs,
    rxBytes: to.rxBytes ?? peer.rxBytes,
    heardAtMs: to.heardAtMs ?? peer.heardAtMs,
    readAtMs: to.readAtMs ?? peer.readAtMs,
    answers: to.answers ?? peer.answers,
    asking: to.asking ?? peer.asking,
    misses: to.misses ?? peer.misses,
    askAtMs: to.askAtMs ?? peer.askAtMs,
    tryAtMs: to.tryAtMs ?? peer.tryAtMs,
    lookAtMs: to.lookAtMs ?? peer.lookAtMs,
  };
}
const onGrid = (atMs: number): number => Math.ceil(atMs / GRID_MS) * GRID_MS;
const staleAtMs = ({ shookAtMs, heardAtMs }: PeerHealth): number =>
  Math.max(shookAtMs + STALE_MS, heardAtMs + STALE_QUIET_MS);

function read(
  before: PeerHealth,
  { handshakeMs, handshakeAgeMs, rxBytes }: Extract<HealthEvent, { type: "read" }>,
  nowMs: number,
  rules: HealthRules,
): HealthStep {
  const isHeard = rxBytes > before.rxBytes;
  const peer = withHealth(before, {
    rxBytes,
    readAtMs: nowMs,
    heardAtMs: isHeard ? nowMs : before.heardAtMs,
  });
  // Another time than before is a new handshake, wherever the wall clock went; it came since the last look.
  if (handshakeMs > 0 && handshakeMs !== before.handshakeMs) {
    const shookAtMs = nowMs - Math.min(Math.max(0, handshakeAgeMs), nowMs - before.readAtMs);
    return proved(withHealth(peer, { handshakeMs, shookAtMs }), shookAtMs, rules);
  }
  // Nothing can be asked of it. While its session is young, what comes in is all there is to know.
  const young = nowMs - peer.shookAtMs < STALE_MS;
  if (peer.answers || !isHeard || !young) return keep(peer);
  // Whether it can be asked is still to be found out, whatever comes in.
  const { peer: proven, effects } = proved(peer, nowMs, rules);
  return { peer: withHealth(proven, { askAtMs: peer.askAtMs }), effects };
}

function proved(peer: PeerHealth, atMs: number, rules: HealthRules): HealthStep {
  if (isOut(peer)) return keep(peer);
  const provenAtMs = Math.max(atMs, peer.provenAtMs);
  const now: PeerHealth = withHealth(peer, {
    provenAtMs,
    misses: 0,
    askAtMs: onGrid(provenAtMs + rules.quietMs),
  });
  if (peer.state === "healthy") return keep(now);
  return { peer: enter(now, "healthy", provenAtMs), effects: ["recovered"] };
}

function unanswered(peer: PeerHealth, nowMs: number, rules: HealthRules): HealthStep {
  if (peer.state !== "healthy") return keep(withHealth(peer, { askAtMs: nowMs + rules.askAgainMs }));
  if (peer.misses < MISSES) return keep(withHealth(peer, { askAtMs: nowMs }));
  if (peer.answers) return suspect(peer, nowMs);
  return keep(withHealth(peer, { misses: 0, askAtMs: nowMs + ASK_MUTE_EVERY_MS }));
}

const suspect = (peer: PeerHealth, nowMs: number): HealthStep => ({
  peer: withHealth(enter(peer, "suspect", nowMs), { askAtMs: nowMs }),
  effects: ["suspect"],
});

/** Its word is no tunnel yet: it has as long as the others had. */
const readmitted = (peer: PeerHealth, nowMs: number): PeerHealth =>
  withHealth(enter(peer, "reconnecting", nowMs), {
    provenAtMs: nowMs,
    asking: false,
    misses: 0,
    askAtMs: nowMs + ASK_AGAIN_MS,
    lookAtMs: nowMs + LOOK_EVERY_MS,
    tryAtMs: nowMs + FIRST_TRY_MS,
  });

function pass(peer: PeerHealth, nowMs: number, rules: HealthRules): HealthStep {
  if (nowMs < nextAtMs(peer)) return keep(peer);
  switch (peer.state) {
    case "healthy":
      if (!peer.answers && nowMs >= staleAtMs(peer)) return suspect(peer, nowMs);
      return asked(peer, nowMs, []);
    case "suspect": {
      if (nowMs < peer.sinceMs + SUSPECT_MS) return asked(peer, nowMs, []);
      const next = withHealth(enter(peer, "reconnecting", nowMs), {
        lookAtMs: nowMs,
        tryAtMs: nowMs + FIRST_TRY_MS,
      });
      return { peer: next, effects: ["reconnecting"] };
    }
    case "reconnecting":
      return reconnect(peer, nowMs, rules);
    case "cooling":
      return { peer, effects: ["forget"] };
    case "evicted":
      return keep(peer);
  }
}

function reconnect(before: PeerHealth, nowMs: number, rules: HealthRules): HealthStep {
  if (nowMs >= before.provenAtMs + EVICT_MS) {
    return { peer: enter(withHealth(before, { asking: false }), "evicted", nowMs), effects: ["evict"] };
  }
  const effects: HealthEffect[] = [];
  let peer = before;
  if (nowMs >= peer.lookAtMs) {
    effects.push("look");
    peer = withHealth(peer, { lookAtMs: nowMs + LOOK_EVERY_MS });
  }
  if (nowMs >= peer.tryAtMs) {
    effects.push("try");
    peer = withHealth(peer, { tryAtMs: nowMs + rules.tryEveryMs });
  }
  return asked(peer, nowMs, effects);
}

function asked(peer: PeerHealth, nowMs: number, effects: readonly HealthEffect[]): HealthStep {
  if (peer.asking || nowMs < peer.askAtMs) return { peer, effects };
  return { peer: withHealth(peer, { asking: true }), effects: [...effects, "ask"] };
}

/** Nothing is counted of a time in which nobody looked. */
function later(peer: PeerHealth, ms: number, nowMs: number): PeerHealth {
  const shift = (atMs: number): number => Math.min(nowMs, atMs + ms);
  return withHealth(peer, {
    sinceMs: shift(peer.sinceMs),
    provenAtMs: shift(peer.provenAtMs),
    shookAtMs: shift(peer.shookAtMs),
    heardAtMs: shift(peer.heardAtMs),
    readAtMs: shift(peer.readAtMs),
  });
}
