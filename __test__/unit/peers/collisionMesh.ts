/**
 * Nodes that hear each other over links which keep their order but lose messages, with the real peer store and the real keeper of own
 * addresses; interface and disk are two variables.
 */
import { silentLog } from "../../../src/core/log.ts";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { AddressKeeper } from "../../../src/daemon/addressKeeper.ts";
import { chooseMeshAddresses } from "../../../src/daemon/meshAddresses.ts";
import { EventLog } from "../../../src/observe/events.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import { LocalNode, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import type { Sighting } from "../../../src/peers/peer.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { ManualClock } from "../support/manualClock.ts";

export interface NodeWish {
  readonly publicKey: PublicKey;
  /** False for one that answers like the Go peer: no proof, no instance, and it never moves. */
  readonly ours?: boolean;
  /** As in the state file of an earlier run. */
  readonly pinned?: IpAddress;
  readonly pinnedIpv6?: IpAddress;
}

interface Disk {
  meshIp: string | null;
  meshIpv6: string | null;
}

export class CollidingNode {
  readonly publicKey: PublicKey;
  readonly disk: Disk;
  /** What goes wrong when it moves. */
  broken: Error | null = null;
  /** What the interface has. */
  onInterface: IpAddress | null = null;
  self!: LocalNode;
  store!: PeerStore;
  events!: EventLog;
  troubles!: TroubleRegistry;
  readonly #mesh: CollisionMesh;
  readonly #ours: boolean;
  #abort = new AbortController();
  #runs = 0;

  constructor(mesh: CollisionMesh, { publicKey, ours = true, pinned, pinnedIpv6 }: NodeWish) {
    this.publicKey = publicKey;
    this.disk = { meshIp: pinned ?? null, meshIpv6: pinnedIpv6 ?? null };
    this.#mesh = mesh;
    this.#ours = ours;
    this.start(false);
  }

  get meshIp(): IpAddress {
    return this.self.snapshot.meshIp;
  }

  /** Ends the run without a word and begins another. `withCache`: with what was known of the peers. */
  start(withCache: boolean): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { clock, derivation } = this.#mesh;
    const cached = withCache ? this.store.list() : [];
    const { publicKey } = this;
    const choice = chooseMeshAddresses({ publicKey, pinned: this.disk, derivation, ipv6: true });
    this.disk.meshIp = choice.meshIp;
    this.disk.meshIpv6 = choice.meshIpv6;
    this.onInterface = choice.meshIp;
    this.#runs += 1;
    this.self = new LocalNode({
      ...NOTHING_LEARNED,
      ...{ publicKey, hostname: "", wireguardPort: 51820, natType: "" },
      ...{ meshIp: choice.meshIp, meshIpv6: choice.meshIpv6 },
      instance: this.#ours ? `run ${this.#runs}` : "",
    });
    this.events = new EventLog({ clock, onListenerError: () => {} });
    this.troubles = new TroubleRegistry(clock, silentLog);
    const keeper = new AddressKeeper({
      ...{ clock, log: silentLog, events: this.events, troubles: this.troubles, self: this.self, derivation },
      strict: false,
      save: ({ meshIp, meshIpv6 }) => {
        if (this.broken !== null) throw this.broken;
        Object.assign(this.disk, { meshIp, meshIpv6 });
      },
      readdress: ({ meshIp }) => {
        this.onInterface = meshIp;
      },
    });
    const rules = { addresses: derivation, strictAddresses: false, noIpv6: false };
    this.store = new PeerStore({
      ...{ clock, ownKey: publicKey, self: this.self, ...rules },
      onRival: (rival) => {
        if (this.#ours) keeper.contested(rival);
      },
    });
    keeper.follow(this.store);
    void keeper.run(this.#abort.signal);
    for (const { publicKey: key, meshIp, lastSeenMs } of cached) {
      const seen = { method: "cache", proven: true, seenAtMs: lastSeenMs } as const;
      if (key !== publicKey)
        this.store.observe({ publicKey: key, ...seen, ...(meshIp === null ? {} : { meshIp }) });
    }
    let told = choice.meshIp;
    this.self.subscribe(({ meshIp }) => {
      if (meshIp === told) return;
      told = meshIp;
      for (const other of this.#mesh.nodes) if (other !== this) this.#mesh.send(this, other);
    });
  }

  /** What it says of itself now. */
  word(answered: boolean): Sighting {
    const { meshIp, meshIpv6, instance, settled } = this.self.snapshot;
    return {
      ...{ publicKey: this.publicKey, method: "dht", meshIp, instance },
      ...(meshIpv6 === null ? {} : { meshIpv6 }),
      ...(this.#ours ? { proven: true } : {}),
      ...(settled === true ? { settled } : {}),
      answered,
      sentAtSeconds: Math.floor(this.#mesh.clock.wallMs() / 1000),
    };
  }
}

interface Message {
  readonly sighting: Sighting;
  /** It is to be answered. */
  readonly asks: boolean;
}

interface Link {
  readonly from: CollidingNode;
  readonly to: CollidingNode;
  readonly messages: Message[];
}

export class CollisionMesh {
  readonly clock = new ManualClock();
  readonly derivation: AddressDerivation;
  readonly nodes: CollidingNode[] = [];
  readonly #links = new Map<string, Link>();

  constructor(derivation: AddressDerivation, wishes: readonly NodeWish[]) {
    this.derivation = derivation;
    for (const wish of wishes) this.nodes.push(new CollidingNode(this, wish));
  }

  add(wish: NodeWish): CollidingNode {
    const node = new CollidingNode(this, wish);
    this.nodes.push(node);
    return node;
  }

  #messages(from: CollidingNode, to: CollidingNode): Message[] {
    const name = `${from.publicKey} ${to.publicKey}`;
    const link = this.#links.get(name) ?? { from, to, messages: [] };
    this.#links.set(name, link);
    return link.messages;
  }

  /** Everybody hears everybody once, without answers, and whoever moves is heard again, until all is quiet. */
  hearAll(): void {
    for (const to of this.nodes)
      for (const from of this.nodes) if (from !== to) to.store.observe(from.word(true));
    for (let quiet = false; !quiet; ) {
      quiet = true;
      for (const { to, messages } of this.#links.values()) {
        for (const { sighting } of messages.splice(0)) {
          quiet = false;
          to.store.observe(sighting);
        }
      }
    }
  }

  /** A HELLO, as it reads now, is on its way. */
  send(from: CollidingNode, to: CollidingNode): void {
    this.#messages(from, to).push({ sighting: from.word(false), asks: true });
  }

  /** The oldest message between the two arrives, and is answered. */
  deliver(from: CollidingNode, to: CollidingNode): boolean {
    const message = this.#messages(from, to).shift();
    if (message === undefined) return false;
    to.store.observe(message.sighting);
    if (message.asks) this.#messages(to, from).push({ sighting: to.word(true), asks: false });
    return true;
  }

  lose(from: CollidingNode, to: CollidingNode): void {
    this.#messages(from, to).shift();
  }

  /** The two speak until nothing is on its way between them, and have a tunnel. */
  meet(one: CollidingNode, other: CollidingNode): void {
    this.send(one, other);
    this.send(other, one);
    while (this.deliver(one, other) || this.deliver(other, one)) {}
    this.connect(one, other);
  }

  /** A handshake, where each has an address of the other. */
  connect(one: CollidingNode, other: CollidingNode): void {
    const knows = (node: CollidingNode, peer: CollidingNode): boolean =>
      node.store.get(peer.publicKey)?.meshIp === peer.meshIp;
    if (!knows(one, other) || !knows(other, one)) return;
    one.store.noteHandshake(other.publicKey, this.clock.wallMs());
    other.store.noteHandshake(one.publicKey, this.clock.wallMs());
  }

  /** Time passes, and whoever waited for it acts. */
  async wait(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
  }

  pairs(): [CollidingNode, CollidingNode][] {
    return this.nodes.flatMap((from) =>
      this.nodes.flatMap((to) => (to === from ? [] : [[from, to] as [CollidingNode, CollidingNode]])),
    );
  }

  /** Everybody speaks with everybody, nothing is lost, until nobody has more to say. */
  async calmDown(rounds = 4): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      for (const [from, to] of this.pairs()) this.send(from, to);
      for (let moved = true; moved; ) {
        moved = false;
        for (const [from, to] of this.pairs()) while (this.deliver(from, to)) moved = true;
      }
      for (const [one, other] of this.pairs()) this.connect(one, other);
      await this.wait(15_000);
    }
  }

  /** In words, what is not as it must be in the end. */
  faults(): string[] {
    const faults: string[] = [];
    const owners = new Map<IpAddress, CollidingNode>();
    for (const node of this.nodes) {
      const { meshIp, disk, onInterface, publicKey } = node;
      const other = owners.get(meshIp);
      if (other !== undefined) faults.push(`${other.publicKey} and ${publicKey} both have ${meshIp}`);
      owners.set(meshIp, node);
      if (disk.meshIp !== meshIp) faults.push(`${publicKey}: ${disk.meshIp} on disk, ${meshIp} told`);
      if (onInterface !== meshIp)
        faults.push(`${publicKey}: ${onInterface} on the interface, ${meshIp} told`);
    }
    for (const [from, to] of this.pairs()) {
      const held = from.store.get(to.publicKey)?.meshIp;
      if (held !== to.meshIp)
        faults.push(`${from.publicKey} has ${held} for ${to.publicKey}, which is at ${to.meshIp}`);
    }
    return faults;
  }
}
