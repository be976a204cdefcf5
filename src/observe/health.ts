/**
 * Health as data: one entry a check, and what they say together. Pure; daemon/views/health.ts makes the checks.
 */
const HEALTH_STATES = ["ok", "warn", "fail", "unknown"] as const;

/** `warn`: it works, but somebody should look; `fail`: a tunnel cannot be expected to work. */
export type HealthState = (typeof HEALTH_STATES)[number];

/** Stable, and the values of a label of the metrics; in the order they are shown. */
export const HEALTH_CHECK_IDS = [
  "daemon",
  "interface",
  "backend",
  "discovery",
  "state-directory",
  "descriptors",
  "machine",
  "peers",
  "event-loop",
  "clock",
] as const;

export type HealthCheckId = (typeof HEALTH_CHECK_IDS)[number];

export interface HealthCheck {
  readonly id: HealthCheckId;
  readonly state: HealthState;
  /** What was seen, in words for a person. */
  readonly detail: string;
}

export interface Health {
  readonly state: HealthState;
  readonly checks: readonly HealthCheck[];
}

/** The worst of them; what is unknown is no fault, unless nothing is known. */
export function overall(checks: readonly HealthCheck[]): HealthState {
  const states = new Set(checks.map(({ state }) => state));
  return (["fail", "warn", "ok"] as const).find((state) => states.has(state)) ?? "unknown";
}
