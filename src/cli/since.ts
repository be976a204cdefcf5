import { WgmeshError } from "../core/errors.ts";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A point in time as people give it: `now`, `90s`, `15m`, `2h` or `7d` ago, or RFC 3339 (a date alone is its midnight, UTC). Unix
 * milliseconds. Throws ERR_USAGE.
 */
export function parseSince(text: string, nowMs: number): number {
  if (text === "now") return nowMs;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return nowMs - Number(count) * (UNITS_MS[unit] ?? 0);
  const looksLikeTime = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/.test(
    text,
  );
  const atMs = looksLikeTime ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(atMs)) {
    throw new WgmeshError("ERR_USAGE", `--since: ${JSON.stringify(text)} is no time`, {
      hint: "write now, 90s, 15m, 2h or 7d, or a time such as 2026-01-31T12:00:00Z",
    });
  }
  return atMs;
}

/** {@link parseSince} as RFC 3339, for the daemon; undefined stays undefined. */
export function sinceParam(text: string | undefined, nowMs: number): string | undefined {
  return text === undefined ? undefined : new Date(parseSince(text, nowMs)).toISOString();
}
