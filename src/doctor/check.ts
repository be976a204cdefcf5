/**
 * What a check of the doctor is, and how what they say goes together (row G7). Looking goes through the host (host.ts); what a check
 * makes of what it saw is pure.
 */
import { type Clock, within } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { DoctorHost } from "./host.ts";
import type { Patient } from "./patient.ts";

/** From well to ill. `unknown` is never `ok`, nor a fault; `note` needs nobody to act. */
const SEVERITIES = ["ok", "unknown", "note", "warning", "error"] as const;

/** `warning`: it works, but less well than it could, or not for long; `error`: a node cannot run, or cannot do what it was told. */
export type Severity = (typeof SEVERITIES)[number];

export interface Judgement {
  readonly severity: Severity;
  /** What was seen, in words for a person. */
  readonly seen: string;
  /** What to do; null where there is nothing to do. */
  readonly remedy: string | null;
}

export interface Check {
  /** Stable; what `--check` takes. */
  readonly id: string;
  readonly title: string;
  /** May throw: then nothing is known. The signal fires when its time is over. */
  judge(patient: Patient, host: DoctorHost, signal: AbortSignal): Judgement | Promise<Judgement>;
}

/** One line of the answer; its members are stable. */
export interface CheckResult extends Judgement {
  readonly id: string;
  readonly title: string;
}

/** The longest any check may take. */
const CHECK_LIMIT_MS = 5_000;

/** What others may not look at. */
export const AS_ROOT = "run wgmesh doctor as root";

export const ok = (seen: string): Judgement => ({ severity: "ok", seen, remedy: null });
export const unknown = (seen: string, remedy: string | null = null): Judgement => ({
  severity: "unknown",
  seen,
  remedy,
});
export const note = (seen: string, remedy: string | null = null): Judgement => ({
  severity: "note",
  seen,
  remedy,
});
export const warning = (seen: string, remedy: string): Judgement => ({ severity: "warning", seen, remedy });
export const fault = (seen: string, remedy: string): Judgement => ({ severity: "error", seen, remedy });

/** The worst of them; `ok` for none. */
export function worst(judgements: readonly Pick<Judgement, "severity">[]): Severity {
  const found = new Set(judgements.map(({ severity }) => severity));
  return SEVERITIES.findLast((severity) => found.has(severity)) ?? "ok";
}

/** Several findings of one check, the worst first; those that are well count only where nothing else was found. */
export function together(findings: readonly Judgement[], otherwise: Judgement): Judgement {
  const rank = ({ severity }: Judgement): number => SEVERITIES.indexOf(severity);
  const told = findings.filter(({ severity }) => severity !== "ok").sort((a, b) => rank(b) - rank(a));
  const [first] = told;
  if (first === undefined) return otherwise;
  const remedies = new Set(told.flatMap(({ remedy }) => remedy ?? []));
  return {
    severity: first.severity,
    seen: told.map(({ seen }) => seen).join("; "),
    remedy: remedies.size === 0 ? null : [...remedies].join("; "),
  };
}

/** All at once, each with its time limit; in the order given. Never rejects. */
export function examine(
  checks: readonly Check[],
  patient: Patient,
  host: DoctorHost,
  clock: Clock,
  limitMs = CHECK_LIMIT_MS,
): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async (check) => {
      const { id, title } = check;
      const end = new AbortController();
      try {
        const judging = (async () => check.judge(patient, host, end.signal))();
        const late = `not found out within ${limitMs / 1000} s`;
        return { id, title, ...(await within(clock, limitMs, judging, end.signal, late)) };
      } catch (error) {
        return { id, title, ...unknown(messageOf(error)) };
      } finally {
        end.abort();
      }
    }),
  );
}
