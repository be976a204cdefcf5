/**
 * Which addresses are known to receive what is sent to them. Source addresses can be forged, so an address that has not
 * answered us gets at most three times the bytes that came from it (weak point 11; the rule of RFC 9000 section 8.1).
 * Pure: time comes in as an argument.
 */
import { type Endpoint, endpointText } from "../core/types.ts";

const AMPLIFICATION = 3;
/** NATs forget a mapping sooner, but a refresh comes at least every four minutes. */
const VERIFIED_FOR_MS = 10 * 60_000;
const MAX_SOURCES = 4096;

interface Source {
  creditBytes: number;
  verifiedUntilMs: number;
}

export class VerifiedSources {
  readonly #sources = new Map<string, Source>();

  /** An authentic datagram came from there. */
  received(from: Endpoint, sizeBytes: number): void {
    const source = this.#touch(endpointText(from));
    source.creditBytes = Math.min(source.creditBytes + AMPLIFICATION * sizeBytes, 1 << 20);
  }

  /** The address answered a HELLO of ours. */
  verify(address: Endpoint, nowMs: number): void {
    this.#touch(endpointText(address)).verifiedUntilMs = nowMs + VERIFIED_FOR_MS;
  }

  isVerified(address: Endpoint, nowMs: number): boolean {
    return (this.#sources.get(endpointText(address))?.verifiedUntilMs ?? 0) > nowMs;
  }

  /** How many bytes may be sent there now. */
  allowanceBytes(to: Endpoint, nowMs: number): number {
    if (this.isVerified(to, nowMs)) return Number.POSITIVE_INFINITY;
    return this.#sources.get(endpointText(to))?.creditBytes ?? 0;
  }

  sent(to: Endpoint, sizeBytes: number): void {
    const source = this.#sources.get(endpointText(to));
    if (source) source.creditBytes = Math.max(0, source.creditBytes - sizeBytes);
  }

  #touch(text: string): Source {
    const source = this.#sources.get(text) ?? { creditBytes: 0, verifiedUntilMs: 0 };
    this.#sources.delete(text);
    this.#sources.set(text, source);
    if (this.#sources.size > MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return source;
  }
}
