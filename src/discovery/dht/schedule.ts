/**
 * Under which ids a mesh meets in the DHT, and when they are announced and looked up. Pure: time and chance come in.
 */
const HOUR_MS = 3_600_000;
/**
 * So long before the hour turns, the next one counts already: the mesh is there when it turns, and a clock that is an hour and
 * some minutes ahead of ours still meets us.
 */
const EARLY_MS = 10 * 60_000;

/** Announcements last for half an hour (BEP 5 leaves it open; nodes keep them for 30 minutes and more). */
const ANNOUNCE_EVERY_MS = 15 * 60_000;
const ANNOUNCE_AGAIN_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000] as const;

/** Two nodes that start together find each other in the second or third of these. */
const LOOKUPS_AT_MS = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000] as const;
const LOOKUP_EVERY_MS = 30_000;
/** With so many peers there are others who tell of new ones. */
const MANY_PEERS = 3;
const LOOKUP_CALM_MS = 60_000;
/** Everybody announces the current hour; the others are for clocks that are wrong. */
const OTHERS_EVERY = 4;
/** All nodes of a mesh start their hour at the same time. */
const JITTER = 0.1;

/** The hours (since 1970) that count at a time: the current one first. */
export function hoursAt(wallMs: number): readonly number[] {
  const hour = Math.floor(wallMs / HOUR_MS);
  const isLate = wallMs - hour * HOUR_MS >= HOUR_MS - EARLY_MS;
  return isLate ? [hour, hour - 1, hour + 1] : [hour, hour - 1];
}

interface Announcement {
  dueAtMs: number;
  failures: number;
  isUnderWay: boolean;
  isStored: boolean;
  /** What it says has changed since it was begun. */
  isStale: boolean;
}

interface Lookup {
  isUnderWay: boolean;
}

/** What is due for each hour. The caller does it and tells how it ended. */
export class DhtSchedule {
  readonly #unit: () => number;
  readonly #announcements = new Map<number, Announcement>();
  readonly #lookups = new Map<number, Lookup>();
  #hours: readonly number[] = [];
  /** When rounds of look-ups are due, the earliest first. */
  #rounds: number[] = [];
  #round = 0;

  constructor(unit: () => number) {
    this.#unit = unit;
  }

  /** How many of the current announcements a node has stored, of how many. */
  get stored(): { readonly count: number; readonly of: number } {
    const all = [...this.#announcements.values()];
    return { count: all.filter(({ isStored }) => isStored).length, of: all.length };
  }

  /** True when a node has stored the hour's announcement. */
  isStored(hour: number): boolean {
    return this.#announcements.get(hour)?.isStored ?? false;
  }

  /** Which hours count from now on (see {@link hoursAt}); new ones are announced and looked up at once. */
  setHours(hours: readonly number[], nowMs: number): void {
    if (hours.join() === this.#hours.join()) return;
    this.#hours = hours;
    for (const hour of this.#announcements.keys())
      if (!hours.includes(hour)) this.#announcements.delete(hour);
    for (const hour of hours) {
      if (this.#announcements.has(hour)) continue;
      const dueAtMs = nowMs;
      this.#announcements.set(hour, {
        dueAtMs,
        failures: 0,
        isUnderWay: false,
        isStored: false,
        isStale: false,
      });
    }
    this.hurry(nowMs);
  }

  /** Something changed: looks often for a while, as at the start. */
  hurry(nowMs: number): void {
    this.#rounds = LOOKUPS_AT_MS.map((delayMs) => nowMs + delayMs);
    this.#round = 0;
  }

  /** One look-up soon, when nothing is to be heard. */
  lookSoon(atMs: number): void {
    if (this.#rounds.length === 0 || (this.#rounds[0] ?? 0) > atMs) this.#rounds.unshift(atMs);
  }

  /** What we announce has changed. */
  announceAnew(nowMs: number): void {
    for (const announcement of this.#announcements.values()) {
      if (announcement.isUnderWay) announcement.isStale = true;
      else announcement.dueAtMs = nowMs;
      announcement.failures = 0;
    }
  }

  /** The hours to announce now; each is to be followed by {@link announced}. */
  takeAnnouncements(nowMs: number): number[] {
    const due: number[] = [];
    for (const [hour, announcement] of this.#announcements) {
      if (announcement.isUnderWay || announcement.dueAtMs > nowMs) continue;
      announcement.isUnderWay = true;
      announcement.isStale = false;
      due.push(hour);
    }
    return due;
  }

  announced(hour: number, isStored: boolean, nowMs: number): void {
    const announcement = this.#announcements.get(hour);
    if (!announcement) return;
    announcement.isUnderWay = false;
    announcement.isStored = isStored;
    const last = ANNOUNCE_AGAIN_MS.length - 1;
    const again = ANNOUNCE_AGAIN_MS[Math.min(announcement.failures, last)] ?? ANNOUNCE_EVERY_MS;
    announcement.failures = isStored ? 0 : announcement.failures + 1;
    announcement.dueAtMs =
      nowMs + (announcement.isStale ? 0 : this.#about(isStored ? ANNOUNCE_EVERY_MS : again));
  }

  /** The hours to look up now; each is to be followed by {@link lookedUp}. `peers` tells how many are active. */
  takeLookups(peers: () => number, nowMs: number): number[] {
    if (!this.#rounds.some((atMs) => atMs <= nowMs)) return [];
    // After a stall several are due; one is enough.
    this.#rounds = this.#rounds.filter((atMs) => atMs > nowMs);
    if (this.#rounds.length === 0) {
      this.#rounds.push(nowMs + this.#about(peers() >= MANY_PEERS ? LOOKUP_CALM_MS : LOOKUP_EVERY_MS));
    }
    const hours = this.#round % OTHERS_EVERY === 0 ? this.#hours : this.#hours.slice(0, 1);
    this.#round += 1;
    const due = hours.filter((hour) => this.#lookups.get(hour)?.isUnderWay !== true);
    for (const hour of due) this.#lookups.set(hour, { isUnderWay: true });
    return due;
  }

  lookedUp(hour: number): void {
    this.#lookups.delete(hour);
  }

  /** When something is due next; Infinity before the first hours are set. */
  nextAtMs(): number {
    const announcements = [...this.#announcements.values()].filter(({ isUnderWay }) => !isUnderWay);
    return Math.min(...announcements.map(({ dueAtMs }) => dueAtMs), ...this.#rounds);
  }

  #about(ms: number): number {
    return ms * (1 - JITTER + 2 * JITTER * this.#unit());
  }
}
