/** What becomes of a tunnel that was there once (row E4). How a peer gets from one to the next: mesh/health/state.ts. */
export const PEER_HEALTH_STATES = ["healthy", "suspect", "reconnecting", "evicted", "cooling"] as const;
export type PeerHealthState = (typeof PEER_HEALTH_STATES)[number];
