/**
 * Which UDP port WireGuard listens on (row C3).
 */
import { WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** The LAN multicast port (PROTOCOL.md section 2). */
const LAN_PORT = 51830;
/** How many ports after the wished one are tried (PROTOCOL.md section 2). */
const FALLBACKS = 99;

/**
 * The wished port and the ones after it, those left out that wgmesh itself binds: control socket (`gossipPort`), DHT
 * (`gossipPort` + 1) and LAN multicast.
 */
export function portCandidates(wishedPort: number, gossipPort: number): number[] {
  const own = new Set([gossipPort, gossipPort + 1, LAN_PORT]);
  const candidates = Array.from({ length: FALLBACKS + 1 }, (_, offset) => wishedPort + offset);
  return candidates.filter((port) => port <= 65535 && !own.has(port));
}

/** The part of the backend that is asked. */
export interface PortUser {
  readonly adopted: boolean;
  listenPort(): number;
  configure(listenPort: number): void;
}

export interface PortWish {
  /** Null when the operator chose none: an adopted interface keeps its port. */
  readonly chosenPort: number | null;
  readonly defaultPort: number;
  readonly gossipPort: number;
}

/**
 * Sets key and port, on the first candidate that is free, and returns it. Throws ERR_NO_PORT when all are in use.
 * `after` continues behind a port that turned out to be taken later.
 */
export function configurePort(backend: PortUser, wish: PortWish, log: Log, after = 0): number {
  const boundPort = backend.adopted ? backend.listenPort() : 0;
  const wishedPort = wish.chosenPort ?? (boundPort === 0 ? wish.defaultPort : boundPort);
  const candidates = portCandidates(wishedPort, wish.gossipPort).filter((port) => port > after);
  for (const port of candidates) {
    if (!tryPort(backend, port)) continue;
    if (port !== wishedPort) log.warn({ wishedPort, port }, "listen port in use, another one taken");
    return port;
  }
  throw new WgmeshError("ERR_NO_PORT", `UDP port ${wishedPort} and the ${FALLBACKS} after it are in use`);
}

/** False when another socket has the port. */
export function tryPort(backend: Pick<PortUser, "configure">, port: number): boolean {
  try {
    backend.configure(port);
    return true;
  } catch (error) {
    if (error instanceof WgmeshError && error.code === "ERR_NO_PORT") return false;
    throw error;
  }
}
