/**
 * How a node moves from one mesh secret to the next (row E7). Pure: what was heard, what the operator asks for and the time give the
 * next state; daemon/rotation.ts keeps it on the disk and makes it true.
 *
 * ```
 *           heard (a member's signed word)          accept (the secret that the word commits to)
 *   idle ────────────────────────────► announced ─────────────────────► accepted ──── the end of the grace, or complete ───► completed
 *    ▲ ▲                                  │ nobody said it for an hour    │ ▲                                                   │
 *    │ └──────────────────────────────────┘                               │ └─ start (a secret of one's own), from idle         │
 *    └───────────── abort, or an abort signed with the new secret ────────┘                                                     │
 *    ▲                                                                                                                          │
 *    └────────────── the node is started with the new secret by its own file (settled) ─────────────────────────────────────────┘
 * ```
 *
 * An announcement changes nothing but what `status` shows: whoever stole a node has the old secret, and can announce what he likes. Only a
 * secret that the operator brings moves a node. From then on nobody's word moves the end of the grace; only an abort does, which takes the
 * new secret to sign. What was aborted or completed is remembered, so that an announcement played again cannot bring it back.
 *
 * All times are Unix milliseconds: a rotation outlives restarts.
 */

/** An announcement is good this long before and after its time (PROTOCOL.md section 13). */
export const NOTICE_MS = 3_600_000;
/** Some thief's inventions must not fill the memory, nor the screen. */
const MAX_OFFERS = 4;
const MAX_CLOSED = 16;
/** `--grace` at most. */
export const MAX_GRACE_SECONDS = 30 * 86_400;

/** A rotation by what is publicly known of it. `commitment` is the base64 text of SHA-256 of the new secret. */
export interface Offer {
  readonly commitment: string;
  readonly endsAtMs: number;
  /** When it was last heard. */
  readonly heardAtMs: number;
}

export interface Held {
  readonly commitment: string;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
}

/** A rotation that is over. */
export interface Closed {
  readonly commitment: string;
  readonly how: "aborted" | "completed";
  readonly atMs: number;
  /** Base64: what shows others that it is aborted; "" for a completed one. */
  readonly signature: string;
}

export interface RotationState {
  /** `accepted` holds both secrets; `completed` has the new one only, though the node may still be started with the old one. */
  readonly phase: "idle" | "accepted" | "completed";
  /** Announced by others, and not accepted here; the newest last. */
  readonly offers: readonly Offer[];
  /** Null when idle. */
  readonly held: Held | null;
  /** The newest last. */
  readonly closed: readonly Closed[];
}

export type RotationEvent =
  /** A member's announcement whose signature fits. */
  | {
      readonly kind: "heard";
      readonly commitment: string;
      readonly graceSeconds: number;
      /** The announcement's own time. */
      readonly atMs: number;
    }
  /** This node holds the secret now. With `graceSeconds` it may begin a rotation that nobody announced. */
  | { readonly kind: "accept"; readonly commitment: string; readonly graceSeconds?: number }
  | { readonly kind: "complete" }
  /** By the operator, or by another member: `signature` is made with the new secret. */
  | { readonly kind: "abort"; readonly atMs: number; readonly signature: string }
  /** The node was started with the new secret: nothing of the old one is left. */
  | { readonly kind: "settled" }
  | { readonly kind: "time" };

/** What is to be done, once the new state is on the disk. */
export type RotationEffect = "hold" | "complete" | "release" | "announced" | "forgotten";

export interface Step {
  readonly state: RotationState;
  readonly effects: readonly RotationEffect[];
}

export type RotationProblem = "unknown" | "held" | "closed" | "nothing" | "completed" | "unsettled";

export const IDLE: RotationState = { phase: "idle", offers: [], held: null, closed: [] };

const nothing = (state: RotationState): Step => ({ state, effects: [] });

/** The next state; a problem instead of it when the operator asks for what cannot be. Words of others never are a problem. */
export function rotate(state: RotationState, event: RotationEvent, nowMs: number): Step | RotationProblem {
  switch (event.kind) {
    case "heard":
      return heard(state, event, nowMs);
    case "accept":
      return accept(state, event, nowMs);
    case "complete":
      if (state.phase === "idle") return "nothing";
      return state.phase === "completed" ? "completed" : complete(state, nowMs);
    case "abort":
      return abort(state, event);
    case "settled":
      return state.phase === "completed" ? nothing({ ...state, phase: "idle", held: null }) : nothing(state);
    case "time":
      return onTime(state, nowMs);
  }
}

function heard(state: RotationState, event: RotationEvent & { kind: "heard" }, nowMs: number): Step {
  const { commitment, atMs } = event;
  if (Math.abs(nowMs - atMs) > NOTICE_MS) return nothing(state);
  // Held: whoever repeats it may not move its end. Closed: it is an old one, played again.
  if (state.held?.commitment === commitment || isClosed(state, commitment)) return nothing(state);
  const known = state.offers.find((offer) => offer.commitment === commitment);
  if (known !== undefined) {
    const again = { ...known, heardAtMs: Math.max(known.heardAtMs, atMs) };
    return nothing({ ...state, offers: state.offers.map((offer) => (offer === known ? again : offer)) });
  }
  const endsAtMs = atMs + boundedGrace(event.graceSeconds) * 1000;
  const offers = [...state.offers, { commitment, endsAtMs, heardAtMs: atMs }].slice(-MAX_OFFERS);
  return { state: { ...state, offers }, effects: ["announced"] };
}

function accept(
  state: RotationState,
  { commitment, graceSeconds }: RotationEvent & { kind: "accept" },
  nowMs: number,
): Step | RotationProblem {
  if (state.held?.commitment === commitment) return nothing(state);
  if (state.held !== null) return state.phase === "completed" ? "unsettled" : "held";
  if (isClosed(state, commitment)) return "closed";
  const offer = state.offers.find((known) => known.commitment === commitment);
  if (offer === undefined && graceSeconds === undefined) return "unknown";
  const endsAtMs = offer?.endsAtMs ?? nowMs + boundedGrace(graceSeconds ?? 0) * 1000;
  const held = { commitment, startedAtMs: nowMs, endsAtMs };
  return { state: { ...state, phase: "accepted", held, offers: [] }, effects: ["hold"] };
}

function complete(state: RotationState, nowMs: number): Step {
  const commitment = state.held?.commitment ?? "";
  const closed = withClosed(state, { commitment, how: "completed", atMs: nowMs, signature: "" });
  return { state: { ...state, phase: "completed", closed }, effects: ["complete"] };
}

function abort(
  state: RotationState,
  { atMs, signature }: RotationEvent & { kind: "abort" },
): Step | RotationProblem {
  if (state.phase === "completed") return "completed";
  if (state.held === null) return "nothing";
  const { commitment } = state.held;
  const closed = withClosed(state, { commitment, how: "aborted", atMs, signature });
  return { state: { ...state, phase: "idle", held: null, closed }, effects: ["release"] };
}

function onTime(state: RotationState, nowMs: number): Step {
  if (state.phase === "accepted" && state.held !== null && nowMs >= state.held.endsAtMs)
    return complete(state, nowMs);
  const offers = state.offers.filter(({ heardAtMs }) => nowMs - heardAtMs <= NOTICE_MS);
  if (offers.length === state.offers.length) return nothing(state);
  return { state: { ...state, offers }, effects: ["forgotten"] };
}

const isClosed = (state: RotationState, commitment: string): boolean =>
  state.closed.some((closed) => closed.commitment === commitment);

const withClosed = (state: RotationState, closed: Closed): readonly Closed[] =>
  [...state.closed.filter(({ commitment }) => commitment !== closed.commitment), closed].slice(-MAX_CLOSED);

/** Whole seconds from 0 to {@link MAX_GRACE_SECONDS}. */
const boundedGrace = (seconds: number): number =>
  Math.min(MAX_GRACE_SECONDS, Math.max(0, Math.trunc(seconds)));
