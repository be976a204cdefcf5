import { type Endpoint, endpointText } from "../core/types.ts";

/** Shorter than the time between two of the same HELLO (helloTable.ts): only copies that waited together are left out. */
const FOR_MS = 150;
/** Type and nonce, which no two messages share. */
const HEAD_BYTES = 64;
const MAX_KEPT = 1_024;

/**
 * Datagrams that were good and acted on a moment ago. One that waited behind its own copy needs no second answer, and so is not opened. Only what
 * was authentic is kept, so nobody can keep a message out by sending its beginning. Pure: time comes in as an argument.
 */
export class Copies {
  readonly #atMs = new Map<string, number>();

  /** True for a copy, from the same address. */
  has(data: Buffer, from: Endpoint, nowMs: number): boolean {
    if (this.#atMs.size === 0) return false;
    const atMs = this.#atMs.get(keyOf(data, from));
    return atMs !== undefined && nowMs - atMs < FOR_MS;
  }

  /** The datagram was authentic. */
  note(data: Buffer, from: Endpoint, nowMs: number): void {
    for (const [key, atMs] of this.#atMs) {
      if (nowMs - atMs < FOR_MS && this.#atMs.size < MAX_KEPT) break;
      this.#atMs.delete(key);
    }
    this.#atMs.set(keyOf(data, from), nowMs);
  }
}

const keyOf = (data: Buffer, from: Endpoint): string =>
  `${endpointText(from)} ${data.length} ${data.toString("latin1", 0, HEAD_BYTES)}`;
