/**
 * How often somebody did what he may not, such as showing a wrong token, by his address: a slow guess is hopeless, a fast one is cut
 * short. Pure.
 */
const MAX_TRIES = 10;
const WINDOW_MS = 60_000;
const MAX_SOURCES = 1_024;

interface Tries {
  count: number;
  readonly sinceMs: number;
}

export class FailedTries {
  /** The oldest first. */
  readonly #sources = new Map<string, Tries>();

  mayTry(address: string, nowMs: number): boolean {
    const tries = this.#sources.get(sourceOf(address));
    return tries === undefined || nowMs - tries.sinceMs >= WINDOW_MS || tries.count < MAX_TRIES;
  }

  failed(address: string, nowMs: number): void {
    const source = sourceOf(address);
    const tries = this.#sources.get(source);
    if (tries !== undefined && nowMs - tries.sinceMs < WINDOW_MS) {
      tries.count += 1;
      return;
    }
    this.#sources.delete(source);
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined && this.#sources.size >= MAX_SOURCES) this.#sources.delete(oldest);
    this.#sources.set(source, { count: 1, sinceMs: nowMs });
  }
}

/** Who has one IPv6 address has its /64. */
export function sourceOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? `${groupsOf(address).slice(0, 4).join(":")}::/64`;
}

function groupsOf(address: string): string[] {
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...new Array<string>(zeros).fill("0"), ...after];
}
