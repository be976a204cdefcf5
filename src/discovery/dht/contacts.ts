/**
 * Addresses found in the DHT that are to get a HELLO. Anybody can put addresses there, of victims too, so all of it is bounded: how
 * many are kept, how many of one host, how many are asked in a second, and how often the same one. Pure: time and chance come in.
 */
import { ipKind } from "../../core/ipKind.ts";
import { type Endpoint, endpointText, parseIp } from "../../core/types.ts";
import { TokenBucket } from "../rateLimiter.ts";

/** New HELLOs a second; each is repeated for four seconds (helloTable.ts). */
const RATE_PER_SECOND = 10;
const BURST = 20;
const MAX_KEPT = 512;
/** Many nodes may share a NAT's address, and many bogus ports a victim's. */
const MAX_PER_HOST = 16;
/** How long an address that does not answer is left alone, by how often it did not. A HELLO gives up after four seconds. */
const AGAIN_AFTER_MS = [5_000, 5_000, 15_000, 60_000, 60_000, 60_000, 300_000] as const;

interface Contact {
  readonly endpoint: Endpoint;
  /** -Infinity for never. */
  askedAtMs: number;
  tries: number;
  isWanted: boolean;
}

export class DhtContacts {
  readonly #contacts = new Map<string, Contact>();
  /** The keys of that map, so that a random one is found at once. */
  readonly #keys: string[] = [];
  readonly #perHost = new Map<string, number>();
  readonly #bucket: TokenBucket;
  readonly #unit: () => number;

  constructor(nowMs: number, unit: () => number) {
    this.#bucket = new TokenBucket(RATE_PER_SECOND, BURST, nowMs);
    this.#unit = unit;
  }

  /** How many addresses are kept. */
  get size(): number {
    return this.#contacts.size;
  }

  /** A node of the DHT named this address. False when it was left out. */
  found(endpoint: Endpoint): boolean {
    const text = endpointText(endpoint);
    const known = this.#contacts.get(text);
    if (known) {
      known.isWanted = true;
      return true;
    }
    if (!isPossible(endpoint)) return false;
    const ofHost = this.#perHost.get(endpoint.host) ?? 0;
    if (ofHost >= MAX_PER_HOST) return false;
    this.#keys[this.#freePlace()] = text;
    this.#perHost.set(endpoint.host, (this.#perHost.get(endpoint.host) ?? 0) + 1);
    this.#contacts.set(text, { endpoint, askedAtMs: Number.NEGATIVE_INFINITY, tries: 0, isWanted: true });
    return true;
  }

  /** Whom to send a HELLO now, those first who were asked least; the rest waits. */
  take(nowMs: number): Endpoint[] {
    const wanted = [...this.#contacts.values()].filter(
      (contact) => contact.isWanted && freeAtMs(contact) <= nowMs,
    );
    const due: Endpoint[] = [];
    for (const contact of wanted.sort((a, b) => a.tries - b.tries)) {
      if (!this.#bucket.take(nowMs)) break;
      contact.isWanted = false;
      contact.askedAtMs = nowMs;
      contact.tries += 1;
      due.push(contact.endpoint);
    }
    return due;
  }

  /** The address has answered: it is known now, and only to be asked again when it is lost. */
  answered(endpoint: Endpoint): void {
    const contact = this.#contacts.get(endpointText(endpoint));
    if (!contact) return;
    contact.tries = 0;
    contact.isWanted = false;
  }

  /** The network changed: whoever did not answer may do so now. */
  hurry(): void {
    for (const contact of this.#contacts.values()) contact.tries = 0;
  }

  /** When `take` has something next; Infinity for never. */
  nextAtMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const contact of this.#contacts.values()) {
      if (contact.isWanted) next = Math.min(next, freeAtMs(contact));
    }
    return next === Number.POSITIVE_INFINITY ? next : Math.max(next, this.#bucket.nextAtMs(nowMs));
  }

  /** Where a key can be put: under a flood a random one makes room, so that every address has the same chance. */
  #freePlace(): number {
    if (this.#keys.length < MAX_KEPT) return this.#keys.length;
    const place = Math.floor(this.#unit() * this.#keys.length);
    const text = this.#keys[place] ?? "";
    const host = this.#contacts.get(text)?.endpoint.host ?? "";
    this.#contacts.delete(text);
    const left = (this.#perHost.get(host) ?? 1) - 1;
    if (left === 0) this.#perHost.delete(host);
    else this.#perHost.set(host, left);
    return place;
  }
}

function freeAtMs({ askedAtMs, tries }: Contact): number {
  if (tries === 0) return askedAtMs === Number.NEGATIVE_INFINITY ? 0 : askedAtMs + AGAIN_AFTER_MS[0];
  const last = AGAIN_AFTER_MS.length - 1;
  return askedAtMs + (AGAIN_AFTER_MS[Math.min(tries - 1, last)] ?? 0);
}

/** No host has these addresses; the port 0 is none. */
function isPossible({ host, port }: Endpoint): boolean {
  const ip = parseIp(host);
  if (ip === null || port < 1 || port > 65535) return false;
  return !["unspecified", "loopback", "multicast", "linkLocal", "reserved"].includes(ipKind(ip));
}
