/**
 * Who gets a place in the store, and who gives his way for it. Any member can invent keys, tell of them, and greet in their names:
 * none of that may keep an honest newcomer out, or cost as much as an honest newcomer does (row D10).
 *
 * A stranger is a key that has never shaken hands. While there are few, all come in. When there are many, each source may bring only
 * some, and in a full store strangers give way: first those that only others tell of, then those of the source that has most.
 * Pure: time comes in as an argument, monotonic milliseconds.
 */
import type { Peer, Sighting } from "./peer.ts";
import { isMention } from "./rank.ts";

/** Below so many all may come in that a source has not brought lately: as many nodes meet at once behind one address. */
export const MANY_STRANGERS = 200;

/** New keys: how many at once, and then a second. Each costs greetings, a search for paths, and an entry of the interface. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}
/** So that those who come and say goodbye, again and again, do not push out what is remembered of those that left. */
const AMONG_FEW: Allowance = { burst: MANY_STRANGERS, perSecond: 1 };
const AMONG_MANY: Allowance = { burst: 4, perSecond: 0.1 };
/** What a peer with a tunnel may tell of: it introduces a newcomer to a whole mesh. */
const THROUGH_TUNNEL: Allowance = { burst: 1_000, perSecond: 10 };
/** Sources remembered; the one that brought somebody least recently is forgotten first. */
const MAX_SOURCES = 8_192;
/** A stranger has this long to shake hands before any newcomer may have its place: two tries of WireGuard. */
export const TRY_MS = 10_000;

/** What decides on a place. */
export interface Place {
  readonly peer: Peer;
  /** Who brought it: an address, or "" for none that could be flooded from. */
  readonly source: string;
  /** When it came. */
  readonly sinceMs: number;
  /** Last news of it. */
  readonly newsAtMs: number;
}

export const isStranger = (peer: Peer): boolean => peer.lastHandshakeMs === 0;

/** Only told of by others. */
const isHearsay = (peer: Peer): boolean => peer.methods.every(isMention);

/** Told of by others, of a time so long ago. */
export const isStaleMention = ({ method, ageSeconds = 0 }: Sighting, ageMs: number): boolean =>
  isMention(method) && ageSeconds * 1000 >= ageMs;

interface Level {
  readonly tokens: number;
  readonly atMs: number;
}

/** How many new keys each source may still bring. */
export class Shares {
  /** By source and allowance, the one asked for least recently first. */
  readonly #levels = new Map<string, Level>();

  /** True when a new key may come in; `strangers` are those there. What has no source is not limited. */
  take({ source = "", tunnel = false }: Sighting, strangers: number, nowMs: number): boolean {
    if (source === "") return true;
    if (tunnel) return this.#spend(`tunnel ${source}`, THROUGH_TUNNEL, nowMs);
    // Both are spent, or a source that filled the crowd would have its small share on top.
    const few = this.#spend(source, AMONG_FEW, nowMs);
    return few && (strangers < MANY_STRANGERS || this.#spend(`crowd ${source}`, AMONG_MANY, nowMs));
  }

  #spend(name: string, { burst, perSecond }: Allowance, nowMs: number): boolean {
    const { tokens, atMs } = this.#levels.get(name) ?? { tokens: burst, atMs: nowMs };
    const now = Math.min(burst, tokens + ((nowMs - atMs) * perSecond) / 1000);
    this.#levels.delete(name);
    this.#levels.set(name, { tokens: now < 1 ? now : now - 1, atMs: nowMs });
    if (this.#levels.size > MAX_SOURCES) {
      const [oldest] = this.#levels.keys();
      if (oldest !== undefined) this.#levels.delete(oldest);
    }
    return now >= 1;
  }
}

/**
 * Who of a full store gives way to a newcomer; null for nobody, so it does not come in. What only others tell of never displaces
 * anybody, and who has shaken hands stays.
 */
export function whoGivesWay(places: Iterable<Place>, newcomer: Sighting, nowMs: number): Peer | null {
  if (isMention(newcomer.method)) return null;
  const strangers: Place[] = [];
  let hearsay: Place | undefined;
  for (const place of places) {
    if (!isStranger(place.peer)) continue;
    if (!isHearsay(place.peer)) strangers.push(place);
    else if (hearsay === undefined || place.newsAtMs < hearsay.newsAtMs) hearsay = place;
  }
  if (hearsay !== undefined) return hearsay.peer;
  const bySource = new Map<string, Place[]>();
  for (const place of strangers) {
    const theirs = bySource.get(place.source);
    if (theirs === undefined) bySource.set(place.source, [place]);
    else theirs.push(place);
  }
  let most: Place[] = [];
  for (const theirs of bySource.values()) if (theirs.length > most.length) most = theirs;
  const own = bySource.get(newcomer.source ?? "")?.length ?? 0;
  if (most.length > own + 1) return longestWithoutNews(most);
  return longestWithoutNews(strangers.filter(({ sinceMs }) => nowMs - sinceMs >= TRY_MS));
}

/** Of a store with so many too many, who never shook hands: first those that only others tell of, then who was silent for longest. */
export function whoLeaves(places: Iterable<Place>, count: number): Peer[] {
  if (count <= 0) return [];
  const strangers = [...places].filter(({ peer }) => isStranger(peer));
  const order = (place: Place): number => (isHearsay(place.peer) ? 0 : 1);
  strangers.sort((one, other) => order(one) - order(other) || one.newsAtMs - other.newsAtMs);
  return strangers.slice(0, count).map(({ peer }) => peer);
}

function longestWithoutNews(places: readonly Place[]): Peer | null {
  let least: Place | undefined;
  for (const place of places) if (least === undefined || place.newsAtMs < least.newsAtMs) least = place;
  return least?.peer ?? null;
}
