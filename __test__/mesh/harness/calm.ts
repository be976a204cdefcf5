import { isEmulated } from "./time.ts";

/**
 * Flags of nodes that meet on one link and need no help. On an emulated machine answers are seconds late, which looks like a path that is
 * broken: all nodes would try all other ways at once, and be later still.
 */
export const calm: readonly string[] = isEmulated
  ? ["--no-dht", "--no-stun", "--no-punching", "--no-relay"]
  : [];
