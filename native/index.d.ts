/**
 * WireGuard, netlink and mesh identity for Node.js, without subprocesses.
 *
 * Every function is synchronous unless it returns a promise; its documentation says how long it may take when that is more than
 * a millisecond, and what it needs beyond an ordinary process. Every error is a {@link NativeError}. Nothing panics.
 *
 * @packageDocumentation
 */

export * from "./types/backup.js";
export * from "./types/dht.js";
export * from "./types/errors.js";
export * from "./types/health.js";
export * from "./types/keys.js";
export * from "./types/links.js";
export * from "./types/mesh.js";
export * from "./types/relay.js";
export * from "./types/routes.js";
export * from "./types/routing.js";
export * from "./types/system.js";
export * from "./types/wireguard.js";
