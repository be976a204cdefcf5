/**
 * One attempt at a direct path to one peer. Pure: (attempt, event, now) -> (attempt, effects).
 *
 * Both sides begin at the same instant, or one a little after the other. Each sends probes (wire/punch.ts) from WireGuard's port to all
 * addresses at which the other may be, and to every address the other's own probes come from. Where one side's NAT is symmetric, its port
 * towards us is not among those told: the other side tries the ports next to them (a NAT that counts), then any ports, while the symmetric
 * side keeps many sockets open (the birthday method: with 256 holes, 1,024 random ports hit one with a chance of 98 %). What the
 * network allows was tried in a laboratory; the order and the numbers are from there.
 */
import { type Endpoint, endpointText } from "../../core/types.ts";

/**
 * - `plain`: no NAT of the two is symmetric
 * - `spray`: the other side's is: this side tries ports
 * - `wide`: this side's is: it opens many sockets
 * - `hopeless`: both are; only an address without NAT between can work
 */
export type Role = "plain" | "spray" | "wide" | "hopeless";
export type Method = "direct" | "prediction" | "birthday";

/** After a start, for each address: dense first, since NATs open within one round trip. */
const PROBE_AT_MS = [0, 100, 200, 300, 400, 600, 900, 1300, 1800, 2400] as const;
const PLAIN_MS = 3_000;
/** The ports next to the known ones come in when the known ones have not answered. */
const PREDICTION_AT_MS = 700;
const BIRTHDAY_AT_MS = 1_600;
/** The holes are there first: 256 of them at 500 a second. */
const SPRAY_AT_MS = 2_100;
const SPRAY_EVERY_MS = 20;
export const SPRAY_PER_SECOND = 500;
export const MAX_SPRAYED = 1_024;
export const WIDE_SOCKETS = 256;
const BIRTHDAY_MS = 5_200;
/** WireGuard's handshake on a proved path takes a round trip; after this long it is not coming. */
const HANDSHAKE_MS = 8_000;
/** While a relay carries the tunnel, a proved path is asked on for a while: it is taken only when it stays. */
const KEEP_EVERY_MS = 1_000;
const KEEP_MS = 30_000;
const KEEP_SILENCE_MS = 5_000;

const MAX_REFLEXIVE = 8;

type Origin = "told" | "reflexive" | "predicted";

interface Target {
  readonly endpoint: Endpoint;
  readonly origin: Origin;
  readonly fromMs: number;
  readonly sends: number;
}

export interface Attempt {
  readonly role: Role;
  /** The start both sides have in common; this side's own sending may begin later. */
  readonly startAtMs: number;
  readonly targets: readonly Target[];
  /** Where the symmetric side is, when ports are to be tried there; of this side's own view. */
  readonly sprayHost: string | null;
  readonly sprayed: number;
  readonly sprayAtMs: number;
  /** Where the many sockets are to punch to. */
  readonly wideTo: Endpoint | null;
  readonly wideOpened: boolean;
  readonly relayed: boolean;
  readonly heard: boolean;
  readonly proved: { readonly endpoint: Endpoint; readonly atMs: number } | null;
  readonly answeredAtMs: number;
  readonly keepAtMs: number;
  readonly over: boolean;
}

export interface AttemptPlan {
  readonly role: Role;
  readonly startAtMs: number;
  /** How much later this side begins, so that the other goes first. */
  readonly delayMs: number;
  readonly candidates: readonly Endpoint[];
  readonly predicted: readonly Endpoint[];
  readonly sprayHost: string | null;
  readonly wideTo: Endpoint | null;
  /** A relay carries the tunnel meanwhile: nothing is in a hurry, and the path has to stay. */
  readonly relayed: boolean;
}

export type AttemptEvent =
  | { readonly type: "tick" }
  /** A probe of the peer came from there. */
  | { readonly type: "probed"; readonly from: Endpoint }
  /** An answer to a probe of this attempt that went to `at`. */
  | { readonly type: "answered"; readonly from: Endpoint; readonly at: Endpoint | null }
  /** One of the many sockets proved a path; `endpoint` is what WireGuard sends to for it. */
  | { readonly type: "bridged"; readonly endpoint: Endpoint }
  /** From now on a relay carries the tunnel. */
  | { readonly type: "relayed" }
  /** WireGuard has a session on a direct path. */
  | { readonly type: "connected" };

export type AttemptEffect =
  | { readonly type: "probe"; readonly to: Endpoint }
  /** That many probes to random ports of the host. */
  | { readonly type: "spray"; readonly host: string; readonly count: number }
  | { readonly type: "widen"; readonly to: Endpoint }
  /** Both directions work; once. */
  | { readonly type: "proved"; readonly endpoint: Endpoint; readonly method: Method }
  /** The path went on to answer, while a relay carries the tunnel. */
  | { readonly type: "answered"; readonly endpoint: Endpoint }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "over" };

export interface AttemptStep {
  readonly attempt: Attempt;
  readonly effects: readonly AttemptEffect[];
}

export function beginAttempt(plan: AttemptPlan): Attempt {
  const ownMs = plan.startAtMs + plan.delayMs;
  const told = plan.candidates.map((endpoint) => target(endpoint, "told", ownMs));
  const known = new Set(plan.candidates.map(endpointText));
  const predicted = plan.predicted
    .filter((endpoint) => !known.has(endpointText(endpoint)))
    .map((endpoint) => target(endpoint, "predicted", ownMs + PREDICTION_AT_MS));
  return {
    role: plan.role,
    startAtMs: plan.startAtMs,
    targets: [...told, ...predicted],
    sprayHost: plan.sprayHost,
    sprayed: 0,
    sprayAtMs: plan.startAtMs + SPRAY_AT_MS,
    wideTo: plan.wideTo,
    wideOpened: false,
    relayed: plan.relayed,
    heard: false,
    proved: null,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    keepAtMs: Number.POSITIVE_INFINITY,
    over: false,
  };
}

export function stepAttempt(attempt: Attempt, event: AttemptEvent, nowMs: number): AttemptStep {
  if (attempt.over) return { attempt, effects: [] };
  switch (event.type) {
    case "tick":
      return tick(attempt, nowMs);
    case "probed":
      return tick(withReflexive({ ...attempt, heard: true }, event.from, nowMs), nowMs);
    case "answered":
      return answered({ ...attempt, heard: true }, event.from, event.at, nowMs);
    case "bridged":
      return proved(attempt, event.endpoint, "birthday", nowMs);
    case "relayed":
      return { attempt: nowRelayed(attempt, nowMs), effects: [] };
    case "connected":
      return { attempt: { ...attempt, over: true }, effects: [{ type: "over" }] };
  }
}

/** When `tick` has work next; null when it is over. */
export function attemptDueMs(attempt: Attempt): number | null {
  if (attempt.over) return null;
  const endMs = endOf(attempt);
  if (attempt.proved !== null) return Math.min(endMs, attempt.keepAtMs);
  let dueMs = endMs;
  for (const target of attempt.targets) dueMs = Math.min(dueMs, dueOf(target));
  if (willWiden(attempt)) dueMs = Math.min(dueMs, attempt.startAtMs + BIRTHDAY_AT_MS);
  if (willSpray(attempt)) dueMs = Math.min(dueMs, attempt.sprayAtMs);
  return dueMs;
}

/** Where packets do come through, a port is not what is missing. */
const isGuessing = ({ heard, role }: Attempt): boolean => role !== "plain" || !heard;
const willWiden = (attempt: Attempt): boolean =>
  isGuessing(attempt) && attempt.wideTo !== null && !attempt.wideOpened;
const willSpray = (attempt: Attempt): boolean =>
  isGuessing(attempt) && attempt.sprayHost !== null && attempt.sprayed < MAX_SPRAYED;

function tick(attempt: Attempt, nowMs: number): AttemptStep {
  if (nowMs >= endOf(attempt)) return end(attempt);
  if (attempt.proved !== null) return keep(attempt, nowMs);
  const effects: AttemptEffect[] = [];
  const targets = attempt.targets.map((target) => {
    if (dueOf(target) > nowMs) return target;
    effects.push({ type: "probe", to: target.endpoint });
    let { sends } = target;
    // After a stall several sends are due; one is enough.
    while (target.fromMs + (PROBE_AT_MS[sends] ?? Number.POSITIVE_INFINITY) <= nowMs) sends += 1;
    return { ...target, sends };
  });
  let { wideOpened, sprayed, sprayAtMs } = attempt;
  if (willWiden(attempt) && attempt.wideTo !== null && nowMs >= attempt.startAtMs + BIRTHDAY_AT_MS) {
    effects.push({ type: "widen", to: attempt.wideTo });
    wideOpened = true;
  }
  if (willSpray(attempt) && attempt.sprayHost !== null && nowMs >= sprayAtMs) {
    const perTick = (SPRAY_PER_SECOND * SPRAY_EVERY_MS) / 1_000;
    const count = Math.min(perTick, MAX_SPRAYED - sprayed);
    effects.push({ type: "spray", host: attempt.sprayHost, count });
    sprayed += count;
    sprayAtMs = nowMs + SPRAY_EVERY_MS;
  }
  return { attempt: { ...attempt, targets, wideOpened, sprayed, sprayAtMs }, effects };
}

function nowRelayed(attempt: Attempt, nowMs: number): Attempt {
  if (attempt.relayed) return attempt;
  return { ...attempt, relayed: true, keepAtMs: attempt.proved === null ? attempt.keepAtMs : nowMs };
}

function keep(attempt: Attempt, nowMs: number): AttemptStep {
  if (attempt.proved === null || nowMs < attempt.keepAtMs) return { attempt, effects: [] };
  return {
    attempt: { ...attempt, keepAtMs: nowMs + KEEP_EVERY_MS },
    effects: [{ type: "probe", to: attempt.proved.endpoint }],
  };
}

/** An answer from elsewhere than the probe went to proves nothing, but tells one more address. */
function answered(attempt: Attempt, from: Endpoint, at: Endpoint | null, nowMs: number): AttemptStep {
  if (at === null || !same(from, at)) return tick(withReflexive(attempt, from, nowMs), nowMs);
  if (attempt.proved === null) {
    const origin = attempt.targets.find(({ endpoint }) => same(endpoint, at))?.origin;
    const sprayed = origin === undefined || (origin === "reflexive" && attempt.sprayed > 0);
    return proved(
      attempt,
      at,
      origin === "predicted" ? "prediction" : sprayed ? "birthday" : "direct",
      nowMs,
    );
  }
  if (!same(at, attempt.proved.endpoint)) return { attempt, effects: [] };
  return {
    attempt: { ...attempt, answeredAtMs: nowMs },
    effects: attempt.relayed ? [{ type: "answered", endpoint: at }] : [],
  };
}

function proved(attempt: Attempt, endpoint: Endpoint, method: Method, nowMs: number): AttemptStep {
  if (attempt.proved !== null) return { attempt, effects: [] };
  return {
    attempt: {
      ...attempt,
      proved: { endpoint, atMs: nowMs },
      answeredAtMs: nowMs,
      keepAtMs: attempt.relayed ? nowMs + KEEP_EVERY_MS : Number.POSITIVE_INFINITY,
    },
    effects: [{ type: "proved", endpoint, method }],
  };
}

function endOf(attempt: Attempt): number {
  if (attempt.proved !== null) {
    if (!attempt.relayed) return attempt.proved.atMs + HANDSHAKE_MS;
    return Math.min(attempt.proved.atMs + KEEP_MS, attempt.answeredAtMs + KEEP_SILENCE_MS);
  }
  const birthday = attempt.sprayHost !== null || attempt.wideTo !== null;
  return attempt.startAtMs + (birthday ? BIRTHDAY_MS : PLAIN_MS);
}

function end(attempt: Attempt): AttemptStep {
  const effects: AttemptEffect[] = [];
  // A path that stayed for as long as it was asked has not failed, whoever then takes it.
  const stayed = attempt.relayed && attempt.proved !== null;
  if (!stayed) effects.push({ type: "failed", reason: reasonOf(attempt) });
  effects.push({ type: "over" });
  return { attempt: { ...attempt, over: true }, effects };
}

function reasonOf(attempt: Attempt): string {
  if (attempt.proved !== null) return "a path answers, but WireGuard does not";
  if (attempt.heard) return "packets come through in one direction only";
  switch (attempt.role) {
    case "hopeless":
      return "both are behind symmetric NATs";
    case "spray":
      return "the peer is behind a symmetric NAT, and no port of it answered";
    case "wide":
      return "this node is behind a symmetric NAT, and none of its sockets was reached";
    case "plain":
      return attempt.targets.length === 0
        ? "nobody knows where the peer is"
        : "nothing of the peer came through";
  }
}

function withReflexive(attempt: Attempt, from: Endpoint, nowMs: number): Attempt {
  const known = attempt.targets.find(({ endpoint }) => same(endpoint, from));
  if (known !== undefined && known.fromMs <= nowMs) return attempt;
  const others = attempt.targets.filter((target) => target !== known);
  if (others.filter(({ origin }) => origin === "reflexive").length >= MAX_REFLEXIVE) return attempt;
  // One that waits for its turn, since it was a guess or the other side goes first, is due now.
  return { ...attempt, targets: [...others, target(from, known?.origin ?? "reflexive", nowMs)] };
}

const target = (endpoint: Endpoint, origin: Origin, fromMs: number): Target => ({
  endpoint,
  origin,
  fromMs,
  sends: 0,
});

function dueOf({ fromMs, sends }: Target): number {
  return fromMs + (PROBE_AT_MS[sends] ?? Number.POSITIVE_INFINITY);
}

function same(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.host === b.host;
}
