/**
 * The interface's MTU from that of the paths to the peers. Pure.
 */

/** What WireGuard adds to a packet at most: an outer IPv6 header (40), UDP (8), its own header and tag (32). */
const OVERHEAD_BYTES = 80;
/** RFC 8200 section 5: below it Linux takes IPv6 away from a link. */
const MIN_MTU = 1280;
/** The outer packet has to fit into an IP packet. */
const MAX_PATH_MTU = 65_535;
/** What Ethernet has: assumed of a path that nothing is known of. */
const USUAL_PATH_MTU = 1500;

/** How long a larger MTU must have been possible before it is taken. */
export const RAISE_AFTER_MS = 30_000;

/** @param pathMtus bytes, of every path that counts; without one the usual 1420 comes out. */
export function mtuForPaths(pathMtus: readonly number[]): number {
  const smallest = pathMtus.reduce((least, mtu) => Math.min(least, mtu), MAX_PATH_MTU);
  const path = pathMtus.length === 0 ? USUAL_PATH_MTU : smallest;
  return Math.max(MIN_MTU, path - OVERHEAD_BYTES);
}

export interface MtuState {
  /** Bytes, of the interface. */
  readonly mtu: number;
  /** Monotonic time since when a larger one has been possible, or null. */
  readonly largerSinceMs: number | null;
}

/**
 * A smaller MTU is taken at once, since packets are lost until it is; a larger one when it has been possible for
 * {@link RAISE_AFTER_MS}, so that a path that comes and goes does not move the interface each time.
 *
 * @param before null at the first decision, which is taken as it is.
 */
export function stepMtu(before: MtuState | null, possible: number, nowMs: number): MtuState {
  if (before === null || possible <= before.mtu) return { mtu: possible, largerSinceMs: null };
  const largerSinceMs = before.largerSinceMs ?? nowMs;
  if (nowMs - largerSinceMs >= RAISE_AFTER_MS) return { mtu: possible, largerSinceMs: null };
  return { mtu: before.mtu, largerSinceMs };
}
