import type { Clock } from "../core/clock.ts";
import type { IpAddress, PublicKey } from "../core/types.ts";
import type { AddressDerivation } from "./addresses.ts";
import { type AddressHolder, type AddressRules, acceptsAddress } from "./addressPolicy.ts";
import type { Rival } from "./collision.ts";
import { SESSION_LIFETIME_MS } from "./connected.ts";
import { type Entry, newEntry } from "./entry.ts";
import { KeyOrder } from "./keyOrder.ts";
import type { LocalNode } from "./localNode.ts";
import { changedFields, mergeSighting, withoutLeftAddress } from "./merge.ts";
import type { DiscoveryMethod, Peer, PeerEvent, RemovalReason, Sighting } from "./peer.ts";
import { ProvenKeys } from "./provenKeys.ts";
import { isMention } from "./rank.ts";
import { isStaleMention, isStranger, MANY_STRANGERS, Shares, whoGivesWay, whoLeaves } from "./room.ts";
import { Tombstones } from "./tombstones.ts";
import { WaitingClaims } from "./waitingClaims.ts";

/** Unless told: as many as one message may mention (PROTOCOL.md sections 4.7 and 10). */
export const MAX_PEERS = 1000;

/** PROTOCOL.md section 10. */
export const ACTIVE_MS = 5 * 60_000;
export const EXPIRE_MS = 10 * 60_000;

export interface PeerStoreOptions {
  readonly clock: Clock;
  readonly ownKey: PublicKey;
  readonly addresses: AddressDerivation;
  /** `--strict-addresses`: derived addresses only (row D10). */
  readonly strictAddresses: boolean;
  /** `--no-ipv6` */
  readonly noIpv6: boolean;
  /** `--max-peers`; {@link MAX_PEERS} unless told. */
  readonly maxPeers?: number;
  /** Its mesh addresses are never another's. Without it, those that follow from `ownKey` are protected. */
  readonly self?: LocalNode;
  /** Told at once when another node claims an address of ours, by its own word; it may give `self` another one (row E5). */
  readonly onRival?: (rival: Rival) => void;
  /** Told of every sighting that counted, for the metrics. */
  readonly onSighting?: (method: DiscoveryMethod) => void;
  /** Told what a listener threw; the other listeners are called all the same. */
  readonly onListenerError?: (error: unknown) => void;
}

/**
 * One record per public key (row E1), merged by peers/merge.ts, capped, expiring. One owner, no locks: every call is
 * synchronous, and so are the events. Times handed in and out are Unix milliseconds.
 */
export class PeerStore {
  readonly #clock: Clock;
  readonly #ownKey: PublicKey;
  readonly #rules: AddressRules;
  readonly #self: LocalNode | undefined;
  readonly #onRival: (rival: Rival) => void;
  readonly #onSighting: (method: DiscoveryMethod) => void;
  readonly #onListenerError: (error: unknown) => void;
  readonly #entries = new Map<PublicKey, Entry>();
  readonly #order = new KeyOrder();
  /** Which peer has a mesh address, of either family. */
  readonly #holders = new Map<IpAddress, PublicKey>();
  readonly #waiting = new WaitingClaims();
  readonly #proven = new ProvenKeys((publicKey) => this.#entries.has(publicKey));
  readonly #tombstones = new Tombstones();
  readonly #shares = new Shares();
  /** Records of peers that never shook hands. */
  #strangers = 0;
  #maxPeers: number;
  #admitsStrangers = true;
  readonly #listeners = new Set<(event: PeerEvent) => void>();

  constructor(options: PeerStoreOptions) {
    this.#clock = options.clock;
    this.#ownKey = options.ownKey;
    this.#self = options.self;
    this.#maxPeers = options.maxPeers ?? MAX_PEERS;
    this.#onRival = options.onRival ?? (() => {});
    this.#onSighting = options.onSighting ?? (() => {});
    this.#onListenerError = options.onListenerError ?? (() => {});
    this.#rules = { addresses: options.addresses, strict: options.strictAddresses, noIpv6: options.noIpv6 };
  }

  /** Who has the address as far as we know; undefined for nobody else. */
  holderOf(address: IpAddress): PublicKey | undefined {
    return this.#holders.get(address);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** True when it takes no more of those that are only mentioned. */
  get isFull(): boolean {
    return this.#entries.size >= this.#maxPeers;
  }

  /** False takes in nobody who has not proved to be a member before. */
  admitStrangers(admitted: boolean): void {
    this.#admitsStrangers = admitted;
  }

  get maxPeers(): number {
    return this.#maxPeers;
  }

  /** What is too many then goes at once, as far as it never shook hands; the others go when they are silent for long. */
  setMaxPeers(maxPeers: number): void {
    this.#maxPeers = maxPeers;
    const leaving = whoLeaves(this.#entries.values(), this.size - maxPeers);
    for (const { publicKey } of leaving) this.remove(publicKey, "replaced");
  }

  /** True when so many have never shaken hands that they may be invented: of such nobody is told. */
  get isCrowded(): boolean {
    return this.#strangers >= MANY_STRANGERS;
  }

  get(publicKey: PublicKey): Peer | undefined {
    return this.#entries.get(publicKey)?.peer;
  }

  list(): Peer[] {
    return Array.from(this.#entries.values(), (entry) => entry.peer);
  }

  /** The keys of all records in order; not to be kept, since it changes with them. */
  get keysInOrder(): readonly PublicKey[] {
    return this.#order.keys;
  }

  /** True when the key has shown a proof, also when its record was removed since. */
  hasProven(publicKey: PublicKey): boolean {
    return this.#proven.has(publicKey);
  }

  /** Merges what was seen. Null when it was dropped (own key, full, tombstone). */
  observe(sighting: Sighting): Peer | null {
    const nowMs = this.#clock.monotonicMs();
    if (sighting.publicKey === this.#ownKey || this.#tombstones.blocks(sighting, nowMs)) return null;
    const known = this.#entries.get(sighting.publicKey);
    // Nobody has heard it for as long as makes a peer inactive: not worth a place, nor a HELLO.
    if (isStaleMention(sighting, ACTIVE_MS)) return known?.peer ?? null;
    if (known === undefined && !this.#hasRoomFor(sighting, nowMs)) return null;

    const before = known?.peer ?? null;
    const allowed = this.#allowed(sighting, before);
    const proven = this.hasProven(sighting.publicKey) || sighting.proven === true;
    const said = proven && allowed.proven !== true ? { ...allowed, proven } : allowed;
    const merged = mergeSighting(before, said, this.#clock.wallMs());
    const peer = withoutLeftAddress(merged, sighting);
    if (proven) this.#proven.add(sighting.publicKey);
    const entry = known ?? newEntry(peer, sighting.source ?? "", nowMs);
    if (known === undefined) {
      this.#order.add(peer.publicKey);
      if (isStranger(peer)) this.#strangers += 1;
    }
    const wasActive = this.#isAlive(entry, nowMs);
    this.#stamp(entry, sighting, peer, nowMs);
    this.#entries.set(peer.publicKey, entry);
    this.#replace(entry, peer);
    this.#onSighting(sighting.method);
    if (before === null) {
      this.#emit({ type: "added", peer, before, changed: new Set(Object.keys(peer) as (keyof Peer)[]) });
    } else {
      this.#emitUpdate(before, peer, !wasActive && this.#isAlive(entry, nowMs));
      this.#grant(before);
    }
    return this.get(peer.publicKey) ?? null;
  }

  /**
   * A WireGuard handshake keeps a peer alive by itself (weak point 18). Call it as often as the device is read: an event
   * comes only when the tunnel begins or ceases to be connected (no handshake for 180 s).
   */
  noteHandshake(publicKey: PublicKey, atMs: number): void {
    const entry = this.#entries.get(publicKey);
    if (entry === undefined || atMs <= 0) return;
    const nowMs = this.#clock.monotonicMs();
    const before = entry.peer;
    if (atMs !== before.lastHandshakeMs) {
      const ageMs = Math.max(0, this.#clock.wallMs() - atMs);
      entry.handshakeAtMs = nowMs - ageMs;
      entry.aliveAtMs = Math.max(entry.aliveAtMs, entry.handshakeAtMs);
      entry.newsAtMs = Math.max(entry.newsAtMs, entry.handshakeAtMs);
      entry.heardAtMs = Math.max(entry.heardAtMs, entry.handshakeAtMs);
      if (isStranger(before)) this.#strangers -= 1;
      entry.peer = Object.freeze({ ...before, lastHandshakeMs: atMs });
    }
    const isConnected = nowMs - entry.handshakeAtMs < SESSION_LIFETIME_MS;
    if (isConnected === entry.wasConnected) return;
    entry.wasConnected = isConnected;
    this.#emit({ type: "updated", peer: entry.peer, before, changed: new Set(["lastHandshakeMs"]) });
  }

  /**
   * `goodbye` and `evicted` leave a tombstone that mentions by others cannot lift (weak point 23). `atSeconds` is the
   * timestamp of the GOODBYE, by the peer's own clock: only a later word of the peer, or a new run, lifts it.
   */
  remove(publicKey: PublicKey, reason: RemovalReason, atSeconds = 0): void {
    const entry = this.#entries.get(publicKey);
    if (entry === undefined) return;
    const { peer } = entry;
    this.#entries.delete(publicKey);
    this.#order.delete(publicKey);
    if (isStranger(peer)) this.#strangers -= 1;
    for (const address of [peer.meshIp, peer.meshIpv6]) this.#release(address, publicKey);
    if (reason === "goodbye" || reason === "evicted") {
      const lastWordSeconds = Math.max(atSeconds, entry.lastWordSeconds);
      this.#tombstones.add(publicKey, lastWordSeconds, peer.instance, this.#clock.monotonicMs());
    }
    this.#emit({ type: "removed", peer, reason });
    this.#grant(peer);
  }

  /** Removes what has neither spoken nor shaken hands for 10 minutes, and old tombstones. */
  expire(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#tombstones.forgetOld(nowMs);
    for (const entry of [...this.#entries.values()]) {
      if (nowMs - entry.newsAtMs > EXPIRE_MS) this.remove(entry.peer.publicKey, "expired");
    }
  }

  /** Seen, or had a handshake, under 5 minutes ago. False for a peer the store no longer holds. */
  isActive(peer: Peer): boolean {
    const entry = this.#entries.get(peer.publicKey);
    return entry !== undefined && this.#isAlive(entry, this.#clock.monotonicMs());
  }

  /**
   * Milliseconds since the peer was last heard by us or, as they told us, by others; Infinity when nobody said (the mentions of
   * Go nodes) and for a peer the store does not hold.
   */
  heardAgoMs(publicKey: PublicKey): number {
    const entry = this.#entries.get(publicKey);
    return entry === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - entry.heardAtMs;
  }

  /** Calls back synchronously for every change; the returned function ends that. */
  subscribe(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #isAlive(entry: Entry, nowMs: number): boolean {
    return nowMs - entry.aliveAtMs < ACTIVE_MS;
  }

  #stamp(entry: Entry, sighting: Sighting, peer: Peer, nowMs: number): void {
    if (!isMention(sighting.method)) {
      entry.aliveAtMs = nowMs;
      entry.newsAtMs = nowMs;
      entry.heardAtMs = nowMs;
      entry.lastWordSeconds = Math.max(entry.lastWordSeconds, sighting.sentAtSeconds ?? 0);
      return;
    }
    if (sighting.ageSeconds !== undefined) {
      entry.heardAtMs = Math.max(entry.heardAtMs, nowMs - sighting.ageSeconds * 1000);
      entry.newsAtMs = Math.max(entry.newsAtMs, entry.heardAtMs);
      return;
    }
    // Mentions without an age keep only what has never spoken, or the dead would circulate for ever.
    if (entry.aliveAtMs === Number.NEGATIVE_INFINITY) {
      entry.newsAtMs = nowMs;
      if (peer.lastSeenMs > 0 && sighting.method === "cache") {
        entry.aliveAtMs = nowMs - (this.#clock.wallMs() - peer.lastSeenMs);
      }
    }
  }

  /** The sighting without what the rules refuse: as a rule the sighting itself. */
  #allowed(sighting: Sighting, before: Peer | null): Sighting {
    const keepsIp = this.#accepts(sighting, "ipv4", sighting.meshIp, before?.meshIp);
    const keepsIpv6 = this.#accepts(sighting, "ipv6", sighting.meshIpv6, before?.meshIpv6);
    const keepsEndpoint = !(this.#rules.noIpv6 && sighting.endpoint?.host.includes(":"));
    if (keepsIp && keepsIpv6 && keepsEndpoint) return sighting;
    const { meshIp, meshIpv6, endpoint, ...rest } = sighting;
    return {
      ...rest,
      ...(keepsIp && meshIp !== undefined ? { meshIp } : {}),
      ...(keepsIpv6 && meshIpv6 !== undefined ? { meshIpv6 } : {}),
      ...(keepsEndpoint && endpoint !== undefined ? { endpoint } : {}),
    };
  }

  /** A claim equal to what the peer holds needs no second judgement. */
  #accepts(
    sighting: Sighting,
    family: "ipv4" | "ipv6",
    address: IpAddress | undefined,
    held: IpAddress | null | undefined,
  ): boolean {
    if (address === undefined || address === held) return true;
    if (this.#isOwn(address) && (sighting.proven === true || sighting.answered === true)) {
      this.#onRival({ ...sighting, family, address });
    }
    // The cache is our own record of claims accepted before. An address in use through a tunnel that works is not moved by
    // a claim that any member could have made (row D10).
    const connected = this.#entries.get(sighting.publicKey)?.wasConnected === true;
    const inUse = held != null && connected && sighting.proven !== true;
    const canPin = !inUse && (!isMention(sighting.method) || sighting.method === "cache");
    const holder = this.#holderOf(address, sighting.publicKey);
    // The file has those first that were known last.
    if (sighting.method === "cache" && holder !== null) return false;
    const { publicKey } = sighting;
    const claim = { publicKey, address, family, isOwn: this.#isOwn(address), canPin, inUse, holder };
    if (acceptsAddress(claim, this.#rules)) return true;
    if (!isMention(sighting.method)) this.#waiting.add(address, family, publicKey);
    return false;
  }

  /** What the peer had and has no more goes to who asked for it meanwhile. */
  #grant({ publicKey: from, meshIp, meshIpv6 }: Peer): void {
    for (const address of [meshIp, meshIpv6]) {
      if (address === null || this.#holders.has(address)) continue;
      const [member, family] =
        address === meshIp ? (["meshIp", "ipv4"] as const) : (["meshIpv6", "ipv6"] as const);
      for (const publicKey of this.#waiting.take(address)) {
        const entry = this.#entries.get(publicKey);
        if (entry === undefined || publicKey === from || entry.peer[member] !== null) continue;
        const before = entry.peer;
        if (!this.#accepts({ publicKey, method: "cache" }, family, address, null)) continue;
        this.#replace(entry, Object.freeze({ ...before, [member]: address }));
        this.#emitUpdate(before, entry.peer, false);
        break;
      }
    }
  }

  #holderOf(address: IpAddress, claimant: PublicKey): AddressHolder | null {
    const publicKey = this.#holders.get(address);
    const entry = publicKey === undefined ? undefined : this.#entries.get(publicKey);
    if (publicKey === undefined || publicKey === claimant || entry === undefined) return null;
    return { publicKey, live: this.#isAlive(entry, this.#clock.monotonicMs()) };
  }

  #isOwn(address: IpAddress): boolean {
    const own = this.#self?.snapshot;
    if (own !== undefined) return address === own.meshIp || address === own.meshIpv6;
    const { addresses } = this.#rules;
    return address === addresses.meshIpv4(this.#ownKey, 0) || address === addresses.meshIpv6(this.#ownKey);
  }

  /** Puts the record in place and moves its addresses to it, away from whoever had them. */
  #replace(entry: Entry, peer: Peer): void {
    const before = entry.peer;
    entry.peer = peer;
    if (before.meshIp !== peer.meshIp) this.#release(before.meshIp, peer.publicKey);
    if (before.meshIpv6 !== peer.meshIpv6) this.#release(before.meshIpv6, peer.publicKey);
    for (const address of [peer.meshIp, peer.meshIpv6]) {
      if (address === null || this.#holders.get(address) === peer.publicKey) continue;
      const loser = this.#holders.get(address);
      this.#holders.set(address, peer.publicKey);
      if (loser !== undefined) this.#takeAddress(loser, address);
    }
  }

  #takeAddress(publicKey: PublicKey, address: IpAddress): void {
    const entry = this.#entries.get(publicKey);
    if (entry === undefined) return;
    const before = entry.peer;
    const meshIp = before.meshIp === address ? null : before.meshIp;
    const meshIpv6 = before.meshIpv6 === address ? null : before.meshIpv6;
    entry.peer = Object.freeze({ ...before, meshIp, meshIpv6 });
    this.#emitUpdate(before, entry.peer, false);
  }

  #release(address: IpAddress | null, publicKey: PublicKey): void {
    if (address !== null && this.#holders.get(address) === publicKey) this.#holders.delete(address);
  }

  /** Among many strangers each source has its share, and in a full store somebody must give way (peers/room.ts). */
  #hasRoomFor(sighting: Sighting, nowMs: number): boolean {
    if (!this.#admitsStrangers && !this.hasProven(sighting.publicKey)) return false;
    if (this.isFull && isMention(sighting.method)) return false;
    if (!this.#shares.take(sighting, this.#strangers, nowMs)) return false;
    if (!this.isFull) return true;
    const loser = whoGivesWay(this.#entries.values(), sighting, nowMs);
    if (loser !== null) this.remove(loser.publicKey, "replaced");
    return loser !== null;
  }

  /** Being seen again is no news by itself: it comes every few seconds from every peer. */
  #emitUpdate(before: Peer, peer: Peer, becameActive: boolean): void {
    const changed = changedFields(before, peer);
    changed.delete("endpointAtMs");
    if (!becameActive) changed.delete("lastSeenMs");
    if (changed.size > 0) this.#emit({ type: "updated", peer, before, changed });
  }

  #emit(event: PeerEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}
