/**
 * Addresses found in the DHT that are to get a HELLO. Anybody can put addresses there, of victims too, so all of it is bounded: how
 * many are kept, how many of one host, how many datagrams go out in a second, and how often one address is asked.
 *
 * Lies cost their teller nothing, so numbers do not count: every answer of a node has its turn, whatever its length. A node that
 * tells the truth names few, and each of them is asked in one of its first turns. Whom several nodes name has several chances.
 * Pure: time and chance come in.
 */
import { ipKind } from "../../core/ipKind.ts";
import { TokenBucket } from "../../core/tokenBucket.ts";
import { type Endpoint, endpointText, parseIp } from "../../core/types.ts";
import { DATAGRAMS_OF_HELLO } from "../helloTable.ts";

/** First datagrams of HELLOs and their repetitions: ten new addresses a second, or thirty when there are many. */
const DATAGRAMS_PER_SECOND = 60;
const BURST_DATAGRAMS = 120;
/** With more addresses waiting than this each is asked briefly, and so all of them sooner. */
const FEW = 20;
const MAX_KEPT = 4_096;
/** Many nodes may share a NAT's address, and many bogus ports a victim's. */
const MAX_PER_HOST = 16;
/** So many addresses of one host are asked in so long a time. */
const MAX_ASKED_OF_HOST = 4;
const HOST_WINDOW_MS = 5_000;
/** Answers that wait, and how many addresses of each; chance decides which. */
const MAX_ANSWERS = 128;
const MAX_OF_ANSWER = 32;
/** Who may not be asked for longer than this does not wait for it: somebody will name him again. */
const WAIT_MS = 5_000;
/** How long an address that does not answer is left alone, by how often it did not. A HELLO gives up after four seconds. */
const AGAIN_AFTER_MS = [5_000, 5_000, 15_000, 60_000, 60_000, 60_000, 300_000] as const;

interface HostRecord {
  /** How many addresses of it are kept. */
  kept: number;
  /** When it was asked, the latest times. */
  readonly askedAtMs: number[];
}

/** On which of a host's ports: that of the control socket, as announced, or WireGuard's, which is guessed. */
export type ContactDoor = "control" | "wireguard";

interface Contact {
  readonly endpoint: Endpoint;
  readonly door: ContactDoor;
  readonly host: HostRecord;
  /** -Infinity for never. */
  askedAtMs: number;
  tries: number;
}

/** What one node has answered. */
interface Answer {
  /** Whom it names and who was not asked since, in an order of chance. */
  waiting: Contact[];
  /** How many of it were asked. */
  turns: number;
}

/** Somebody to be sent a HELLO; `brief` when others wait too. */
export interface DhtContact {
  readonly to: Endpoint;
  readonly door: ContactDoor;
  readonly brief: boolean;
}

export class DhtContacts {
  /** By address; who was named longest ago comes first. */
  readonly #contacts = new Map<string, Contact>();
  readonly #hosts = new Map<string, HostRecord>();
  #answers: Answer[] = [];
  readonly #bucket: TokenBucket;
  readonly #unit: () => number;

  constructor(nowMs: number, unit: () => number) {
    this.#bucket = new TokenBucket(DATAGRAMS_PER_SECOND, BURST_DATAGRAMS, nowMs);
    this.#unit = unit;
  }

  /** How many addresses are kept. */
  get size(): number {
    return this.#contacts.size;
  }

  /** What one node of the DHT has answered. Returns how many of it were taken up. */
  found(endpoints: readonly Endpoint[], nowMs: number): number {
    return this.#takeUp(endpoints, "control", nowMs);
  }

  /**
   * The address has not answered: WireGuard's port of that host may, at one of these. Only while there are few, since lies would be paid
   * for several times.
   */
  unanswered({ host, port }: Endpoint, wireguardPorts: readonly number[], nowMs: number): void {
    if (this.#isMany() || !this.#contacts.has(keyOf({ host, port }, "control"))) return;
    const places = wireguardPorts.map((wireguardPort) => ({ host, port: wireguardPort }));
    this.#takeUp(places, "wireguard", nowMs);
  }

  #takeUp(endpoints: readonly Endpoint[], door: ContactDoor, nowMs: number): number {
    const waiting: Contact[] = [];
    for (const endpoint of this.#shuffled(endpoints)) {
      const contact = this.#contact(endpoint, door);
      if (contact === null || freeAtMs(contact) > nowMs + WAIT_MS || waiting.includes(contact)) continue;
      if (waiting.push(contact) >= MAX_OF_ANSWER) break;
    }
    if (waiting.length === 0) return 0;
    this.#answers.push({ waiting, turns: 0 });
    if (this.#answers.length > MAX_ANSWERS) this.#dropAnswer();
    return waiting.length;
  }

  /** Whom to send a HELLO now; the rest waits. */
  take(nowMs: number): DhtContact[] {
    const due: DhtContact[] = [];
    const brief = this.#isMany();
    const cost = DATAGRAMS_OF_HELLO[brief ? "brief" : "full"];
    while (this.#bucket.has(nowMs, cost)) {
      const contact = this.#next(nowMs);
      if (contact === null) break;
      this.#bucket.take(nowMs, cost);
      contact.askedAtMs = nowMs;
      contact.tries += 1;
      const { askedAtMs } = contact.host;
      askedAtMs.push(nowMs);
      if (askedAtMs.length > MAX_ASKED_OF_HOST) askedAtMs.shift();
      this.#forgetWaiting(contact);
      due.push({ to: contact.endpoint, door: contact.door, brief });
    }
    return due;
  }

  /** The address has answered: it is known now, and only to be asked again when it is lost. False for one that is not of ours. */
  answered(endpoint: Endpoint, door: ContactDoor): boolean {
    const contact = this.#contacts.get(keyOf(endpoint, door));
    if (!contact) return false;
    contact.tries = 0;
    this.#forgetWaiting(contact);
    return true;
  }

  /** The network changed: whoever did not answer may do so now. */
  hurry(): void {
    for (const contact of this.#contacts.values()) contact.tries = 0;
  }

  /** When `take` has something next; Infinity for never. */
  nextAtMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { waiting } of this.#answers) {
      for (const contact of waiting) next = Math.min(next, freeAtMs(contact));
      if (next <= nowMs) break;
    }
    if (next === Number.POSITIVE_INFINITY) return next;
    const cost = DATAGRAMS_OF_HELLO[this.#isMany() ? "brief" : "full"];
    return Math.max(next, this.#bucket.nextAtMs(nowMs, cost));
  }

  #isMany(): boolean {
    let count = 0;
    for (const { waiting } of this.#answers) count += waiting.length;
    return count > FEW;
  }

  /** The answer that had the fewest turns, of those with somebody who may be asked now. */
  #next(nowMs: number): Contact | null {
    let best: Contact | null = null;
    let fewest = Number.POSITIVE_INFINITY;
    let chosen: Answer | null = null;
    let equals = 0;
    for (const answer of this.#answers) {
      if (answer.turns > fewest) continue;
      const contact = answer.waiting.find((waiting) => freeAtMs(waiting) <= nowMs);
      if (contact === undefined) continue;
      equals = answer.turns === fewest ? equals + 1 : 1;
      fewest = answer.turns;
      if (this.#unit() * equals >= 1) continue;
      best = contact;
      chosen = answer;
    }
    if (chosen !== null) chosen.turns += 1;
    return best;
  }

  /** Null for an address that is left out. */
  #contact(endpoint: Endpoint, door: ContactDoor): Contact | null {
    const text = keyOf(endpoint, door);
    let contact = this.#contacts.get(text);
    if (contact) {
      this.#contacts.delete(text);
      this.#contacts.set(text, contact);
      return contact;
    }
    if (!isPossible(endpoint)) return null;
    const host = this.#hosts.get(endpoint.host) ?? { kept: 0, askedAtMs: [] };
    if (host.kept >= MAX_PER_HOST) return null;
    host.kept += 1;
    this.#hosts.set(endpoint.host, host);
    contact = { endpoint, door, host, askedAtMs: Number.NEGATIVE_INFINITY, tries: 0 };
    this.#contacts.set(text, contact);
    if (this.#contacts.size > MAX_KEPT) this.#dropOldest();
    return contact;
  }

  #dropOldest(): void {
    const [oldest] = this.#contacts;
    if (oldest === undefined) return;
    const [text, contact] = oldest;
    this.#contacts.delete(text);
    this.#forgetWaiting(contact);
    contact.host.kept -= 1;
    if (contact.host.kept === 0) this.#hosts.delete(contact.endpoint.host);
  }

  /** One of those that had the most turns. */
  #dropAnswer(): void {
    const most = Math.max(...this.#answers.map(({ turns }) => turns));
    const worst = [...this.#answers.keys()].filter((index) => this.#answers[index]?.turns === most);
    this.#answers.splice(worst[Math.floor(this.#unit() * worst.length)] ?? 0, 1);
  }

  #forgetWaiting(contact: Contact): void {
    for (const answer of this.#answers) {
      const place = answer.waiting.indexOf(contact);
      if (place !== -1) answer.waiting.splice(place, 1);
    }
    this.#answers = this.#answers.filter(({ waiting }) => waiting.length > 0);
  }

  #shuffled(endpoints: readonly Endpoint[]): Endpoint[] {
    const order = endpoints.map((endpoint) => ({ endpoint, at: this.#unit() }));
    return order.sort((a, b) => a.at - b.at).map(({ endpoint }) => endpoint);
  }
}

const keyOf = (endpoint: Endpoint, door: ContactDoor): string => `${door} ${endpointText(endpoint)}`;

function freeAtMs({ askedAtMs, tries, host }: Contact): number {
  const last = AGAIN_AFTER_MS.length - 1;
  const pauseMs = AGAIN_AFTER_MS[Math.min(Math.max(tries, 1) - 1, last)] ?? 0;
  const own = askedAtMs === Number.NEGATIVE_INFINITY ? 0 : askedAtMs + pauseMs;
  const [first = 0] = host.askedAtMs;
  return host.askedAtMs.length < MAX_ASKED_OF_HOST ? own : Math.max(own, first + HOST_WINDOW_MS);
}

/** No host has these addresses; the port 0 is none. */
function isPossible({ host, port }: Endpoint): boolean {
  const ip = parseIp(host);
  if (ip === null || port < 1 || port > 65535) return false;
  return !["unspecified", "loopback", "multicast", "linkLocal", "reserved"].includes(ipKind(ip));
}
