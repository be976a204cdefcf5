/**
 * Sources on the LAN whose next announcement need not be opened, since the last one told nothing new. A port of the system's choice
 * belongs to one run of one node, and a node that has news announces it several times within a second: so one datagram by itself
 * repeats what is known. Opening and reading it took 7 % of the CPU of an idle node of eleven. Pure.
 */
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";

/** Since one was opened: so long the source is believed to say the same. Each node is heard at least once a minute. */
const QUIET_MS = 4 * 60_000;
/** Two datagrams within this time are news (a burst of lan.ts has a second after 0.2 s), at rest they are ten seconds apart. */
const ALONE_MS = 3_000;
const MAX_SOURCES = 1_000;

interface QuietSource {
  readonly publicKey: PublicKey;
  readonly openedAtMs: number;
  readonly heardAtMs: number;
}

export class QuietSources {
  /** The one that was opened first is the first to be forgotten. */
  readonly #sources = new Map<string, QuietSource>();

  /** An announcement from there was opened, was the peer's, and told nothing new. Times are monotonic milliseconds. */
  opened(from: Endpoint, publicKey: PublicKey, nowMs: number): void {
    const source = endpointText(from);
    this.#sources.delete(source);
    this.#sources.set(source, { publicKey, openedAtMs: nowMs, heardAtMs: nowMs });
    if (this.#sources.size <= MAX_SOURCES) return;
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined) this.#sources.delete(oldest);
  }

  /** Whose announcement it is, when it need not be opened; null when it must be. */
  passes(from: Endpoint, nowMs: number): PublicKey | null {
    const source = endpointText(from);
    const known = this.#sources.get(source);
    if (known === undefined) return null;
    const isAlone = nowMs - known.heardAtMs >= ALONE_MS;
    if (isAlone && nowMs - known.openedAtMs < QUIET_MS) {
      this.#sources.set(source, { ...known, heardAtMs: nowMs });
      return known.publicKey;
    }
    this.#sources.delete(source);
    return null;
  }
}
