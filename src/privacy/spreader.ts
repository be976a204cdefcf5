/**
 * Carries announcements by stem and fluff over the tunnels (row D9): the shell around the router. Every node passes on what others
 * announce; with `--privacy` it announces itself so too, and speaks for neighbours that do not.
 *
 * Messages go to a neighbour's mesh address, so what an underlay shows is WireGuard between two nodes that are connected anyway; and
 * they are taken from the mesh address of a neighbour alone.
 */
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import { Pacemaker } from "../core/pacemaker.ts";
import type { Random } from "../core/random.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import { type LocalNode, type LocalNodeSnapshot, ownEndpoint } from "../peers/localNode.ts";
import type { Peer, PeerEvent } from "../peers/peer.ts";
import type { PeerStore } from "../peers/store.ts";
import {
  DANDELION,
  type DecodedDandelion,
  decodeDandelion,
  encodeDandelion,
  NONCE_BYTES,
  type PassedAnnouncement,
} from "../wire/dandelion.ts";
import { sealEnvelope } from "../wire/envelope.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Sealer } from "../wire/sealer.ts";
import type { Mention } from "../wire/types.ts";
import { AnnouncementPlan } from "./announcementPlan.ts";
import { Departures } from "./departures.ts";
import { EpochManager } from "./epochManager.ts";
import { Limits } from "./limits.ts";
import { type Around, type Effect, type Routed, Router } from "./router.ts";

export interface SpreaderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: PeerStore;
  readonly self: LocalNode;
  readonly sealer: Sealer;
  readonly gossipPort: number;
  /** `--privacy` */
  readonly isPrivate: boolean;
  /** Sends into the mesh. */
  send(data: Uint8Array, to: Endpoint): void;
  /** What is announced of a peer: a mention by others, whoever made it. */
  learned(mention: Mention): void;
}

const OUTCOMES = [
  "made",
  "spoken_for",
  "stemmed",
  "fluffed",
  "spread",
  "repeat",
  "limited",
  "refused",
  "dropped",
] as const;

/** What becomes of an announcement here: a label of its counter. */
export type Outcome = (typeof OUTCOMES)[number];

export class Spreader {
  readonly #options: SpreaderOptions;
  readonly #router: Router;
  readonly #limits: Limits;
  readonly #plan: AnnouncementPlan;
  readonly #departures = new Departures();
  readonly #epochs: EpochManager;
  readonly #pacemaker: Pacemaker;
  readonly #outcomes: Counter<{ outcome: typeof OUTCOMES }>;
  #made = 0;
  #passedOn = 0;

  constructor(options: SpreaderOptions) {
    const { clock, metrics, random } = options;
    this.#options = options;
    this.#router = new Router(random);
    this.#limits = new Limits(clock.monotonicMs());
    this.#plan = new AnnouncementPlan(random);
    this.#epochs = new EpochManager(clock, random, () => this.#neighbours());
    this.#outcomes = metrics.counter(
      "wgmesh_dandelion_announcements_total",
      "announcements by stem and fluff, by what became of them here",
      { outcome: OUTCOMES },
    );
    metrics.reading(
      "wgmesh_dandelion_waiting",
      "announcements on a stem that have not come back yet",
      () => this.#router.sizes.waiting,
    );
    this.#pacemaker = new Pacemaker(clock, {
      nextAtMs: () => this.#nextAtMs(),
      act: (nowMs) => this.#act(nowMs),
    });
  }

  tasks(): { name: string; body: (signal: AbortSignal) => Promise<void> }[] {
    return [
      { name: "dandelion", body: (signal) => this.#run(signal) },
      { name: "epochs", body: (signal) => this.#epochs.run(signal) },
    ];
  }

  /** Checks the fields; what it gives is for {@link receive}. */
  read(payload: JsonObject): DecodedDandelion {
    return decodeDandelion(payload);
  }

  /** Takes an announcement that passed the receive path of the control socket, from `host`. */
  receive(message: PassedAnnouncement, host: string): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const sender = this.#neighbourAt(host);
    if (sender === null) {
      this.#count("refused");
      return;
    }
    if (!this.#limits.take(sender, this.#router.isNew(message.nonce), nowMs)) {
      this.#count("limited");
      return;
    }
    this.#follow(this.#router.receive(message, sender, this.#around(), nowMs), nowMs);
    this.#pacemaker.wake();
  }

  /** A sentence on the state of it. */
  get detail(): string {
    const { number, leftMs } = this.#epochs.current;
    const relays = this.#epochs.relays(this.#neighbours()).length;
    const carried = `${this.#made} announced, ${this.#passedOn} passed on`;
    if (!this.#options.isPrivate) return `no --privacy, ${this.#passedOn} announcements of others passed on`;
    return `epoch ${number} ends in ${Math.ceil(leftMs / 1000)} s, ${relays} relays, ${carried}`;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, self, store } = this.#options;
    let told = wordOf(self.snapshot);
    const unsubscribes = [
      store.subscribe((event) => this.#changed(event)),
      self.subscribe((snapshot) => {
        const word = wordOf(snapshot);
        if (word === told) return;
        told = word;
        this.#plan.changed(clock.monotonicMs());
        this.#pacemaker.wake();
      }),
    ];
    const nowMs = clock.monotonicMs();
    for (const peer of store.list()) if (this.#isConnected(peer)) this.#plan.connected(peer.publicKey, nowMs);
    try {
      await this.#pacemaker.run(signal);
    } finally {
      for (const unsubscribe of unsubscribes) unsubscribe();
    }
  }

  #changed(event: PeerEvent): void {
    const { publicKey } = event.peer;
    if (event.type === "removed") {
      this.#plan.disconnected(publicKey);
      return;
    }
    if (!event.changed.has("lastHandshakeMs") && !event.changed.has("instance")) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#isConnected(event.peer)) {
      this.#plan.disconnected(publicKey);
      return;
    }
    this.#plan.connected(publicKey, nowMs);
    if (isNeighbour(event.peer))
      this.#apply(this.#router.welcome(publicKey, this.#neighbours().length, nowMs), nowMs);
    this.#pacemaker.wake();
  }

  #nextAtMs(): number | null {
    const times = [this.#departures.nextAtMs(), this.#router.nextAtMs()].filter((time) => time !== null);
    // Without a place to be found at there is nothing to announce, and without neighbours nobody to tell: an event will wake us.
    if (this.#canAnnounce()) times.push(this.#plan.nextAtMs());
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : null;
  }

  #act(nowMs: number): void {
    const { store } = this.#options;
    for (const routed of this.#router.tick(this.#around(), nowMs)) this.#follow(routed, nowMs);
    if (this.#canAnnounce()) {
      const nodes = store.size + 1;
      if (this.#plan.takeOwn(nodes, nowMs)) this.#originate(this.#ownWord(), "made", nowMs);
      for (const publicKey of this.#plan.takeOthers(nodes, nowMs)) {
        this.#originate(this.#wordOf(publicKey), "spoken_for", nowMs);
      }
    }
    for (const { to, message } of this.#departures.take(nowMs)) this.#send(to, message);
  }

  #originate(message: PassedAnnouncement | null, outcome: "made" | "spoken_for", nowMs: number): void {
    if (message === null) return;
    this.#count(outcome);
    this.#made += 1;
    this.#options.log.debug({ peer: message.origin }, "announcing by stem and fluff");
    this.#follow(this.#router.originate(message, this.#around(), nowMs), nowMs, true);
  }

  #follow({ fate, effects }: Routed, nowMs: number, isOurs = false): void {
    this.#count(fate);
    if (!isOurs && fate !== "repeat") this.#passedOn += 1;
    this.#apply(effects, nowMs);
  }

  #apply(effects: readonly Effect[], nowMs: number): void {
    for (const effect of effects) {
      if (effect.type === "learn") this.#learn(effect.message, nowMs);
      else if (effect.delayMs === 0) this.#send(effect.to, effect.message);
      else if (!this.#departures.add({ ...effect, atMs: nowMs + effect.delayMs })) this.#count("dropped");
    }
  }

  #learn(message: PassedAnnouncement, nowMs: number): void {
    const { learned, self, store } = this.#options;
    this.#plan.heard(message.origin, store.size + 1, nowMs);
    if (message.origin === self.snapshot.publicKey) return;
    learned({
      publicKey: message.origin,
      meshIp: message.meshIp,
      meshIpv6: null,
      wgEndpoint: message.endpoint,
      hostname: "",
      introducer: false,
      natType: "",
      ageSeconds: message.ageSeconds,
    });
  }

  #send(to: PublicKey, message: PassedAnnouncement): void {
    const { gossipPort, random, sealer, send, store } = this.#options;
    const host = store.get(to)?.meshIp;
    if (host)
      send(sealEnvelope(DANDELION, encodeDandelion(message), sealer, random), { host, port: gossipPort });
  }

  #canAnnounce(): boolean {
    const { isPrivate, self } = this.#options;
    return isPrivate && ownPlace(self.snapshot) !== null && this.#neighbours().length > 0;
  }

  #ownWord(): PassedAnnouncement | null {
    const { publicKey, meshIp } = this.#options.self.snapshot;
    const place = ownPlace(this.#options.self.snapshot);
    return place && this.#word(publicKey, meshIp, place, 1);
  }

  /** For a neighbour, as a mention in gossip would say it. */
  #wordOf(publicKey: PublicKey): PassedAnnouncement | null {
    const peer = this.#options.store.get(publicKey);
    if (!peer?.endpoint || peer.meshIp === null) return null;
    const ageSeconds = Math.max(1, Math.ceil(this.#options.store.heardAgoMs(publicKey) / 1000));
    return ageSeconds < 300 ? this.#word(publicKey, peer.meshIp, peer.endpoint, ageSeconds) : null;
  }

  #word(
    origin: PublicKey,
    meshIp: PassedAnnouncement["meshIp"],
    endpoint: Endpoint,
    ageSeconds: number,
  ): PassedAnnouncement {
    const { clock, random } = this.#options;
    return {
      origin,
      meshIp,
      endpoint: endpointText(endpoint),
      hopCount: 0,
      timestampSeconds: Math.floor(clock.wallMs() / 1000),
      nonce: random.bytes(NONCE_BYTES).toString("hex"),
      ageSeconds,
      fluff: false,
    };
  }

  #around(): Around {
    const neighbours = this.#neighbours();
    return { neighbours, relays: this.#epochs.relays(neighbours) };
  }

  /** Nodes of ours with a tunnel that works: Go nodes would drop the message. */
  #neighbours(): PublicKey[] {
    return this.#options.store
      .list()
      .filter((peer) => isNeighbour(peer) && this.#isConnected(peer))
      .map(({ publicKey }) => publicKey);
  }

  /** WireGuard takes a mesh address from the peer alone that has it. */
  #neighbourAt(host: string): PublicKey | null {
    const { store } = this.#options;
    const holder = store.holderOf(host as IpAddress);
    const peer = holder === undefined ? undefined : store.get(holder);
    return peer !== undefined && this.#isConnected(peer) ? peer.publicKey : null;
  }

  #isConnected({ lastHandshakeMs }: Peer): boolean {
    return isConnected(lastHandshakeMs, this.#options.clock.wallMs());
  }

  #count(outcome: Outcome): void {
    this.#outcomes.add(1, { outcome });
  }
}

/** Only nodes of ours tell their run. */
const isNeighbour = ({ instance, meshIp }: Peer): boolean => instance !== "" && meshIp !== null;

/** Where WireGuard of this node may be reached, as far as it knows. */
function ownPlace(node: LocalNodeSnapshot): Endpoint | null {
  return node.externalHost === null ? (node.candidates[0] ?? null) : ownEndpoint(node);
}

/** What an announcement says of us, as one text. */
function wordOf(node: LocalNodeSnapshot): string {
  const place = ownPlace(node);
  return `${node.meshIp} ${place === null ? "" : endpointText(place)}`;
}
