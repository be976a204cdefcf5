/**
 * What must hold in a simulated mesh at every step, looked at where something changed: each event of a store, each batch of an
 * interface, and once a virtual second those nodes to which either happened.
 */
import type { PublicKey } from "../../src/core/types.ts";
import type { PeerEvent } from "../../src/peers/peer.ts";
import type { PeerChange } from "../../src/wireguard/backend.ts";
import type { PrivacyWatch } from "./privacyWatch.ts";
import { indexOf, meshAddresses } from "./world/identities.ts";
import { noTraffic } from "./world/network.ts";
import type { Observer, Run, SimNode } from "./world/node.ts";
import { TRACED, type Trace } from "./world/trace.ts";

/** So long the interface may lag behind the records: a cycle is asked for at once, and gathers changes for a moment. */
const LAG_MS = 1_000;
/** Datagrams of discovery that a node may send in a minute: for itself, and for each member that there ever was. */
const DATAGRAMS_A_MINUTE = 120;
const DATAGRAMS_A_MEMBER = 60;
/** To each address: 1,024 ports in 30 s, then in 60 s, and ten packets a second with a burst (discovery/rendezvous/budget.ts). */
const PUNCHES_A_MEMBER = 2_800;

interface Watched {
  readonly node: SimNode;
  readonly run: Run;
  /** The store as its events tell it. */
  readonly records: Map<PublicKey, { readonly meshIp: string | null; readonly meshIpv6: string | null }>;
  readonly holders: Map<string, PublicKey>;
  /** Who said goodbye here, and when. */
  readonly left: Map<PublicKey, number>;
  changedAtMs: number;
  isDirty: boolean;
  minuteFromMs: number;
}

export class Invariants implements Observer {
  /** What was found broken, the first first. */
  readonly broken: string[] = [];
  /** The most datagrams that a node sent in a minute. */
  busiestMinute = 0;
  sent?: Observer["sent"];
  passedOn?: Observer["passedOn"];
  #shookHands: Observer["shookHands"] = () => {};
  readonly #nowMs: () => number;
  readonly #trace: Trace;
  readonly #members: number;
  /** The last run of each member. */
  readonly #last = new Map<PublicKey, { readonly node: SimNode; readonly startedAtMs: number }>();
  readonly #watched = new Map<SimNode, Watched>();

  constructor(nowMs: () => number, trace: Trace, members: number) {
    this.#nowMs = nowMs;
    this.#trace = trace;
    this.#members = members;
  }

  /** To be told of all datagrams, and of announcements by stem and fluff. */
  listenWith(privacy: PrivacyWatch): void {
    this.sent = (node, data, to) => privacy.sent(node, data, to);
    this.passedOn = (node, nonce) => privacy.received(node, nonce);
    this.#shookHands = (node, peer) => privacy.shookHands(node, meshAddresses().meshIpv4(peer, 0));
  }

  /** Something else found that it does not hold. */
  found(what: string): void {
    this.broken.push(`${this.#nowMs()} ms: ${what}`);
  }

  started(node: SimNode, run: Run): void {
    const nowMs = this.#nowMs();
    const watched: Watched = {
      ...{ node, run, records: new Map(), holders: new Map(), left: new Map() },
      ...{ changedAtMs: nowMs, isDirty: true, minuteFromMs: nowMs },
    };
    this.#watched.set(node, watched);
    this.#last.set(node.key, { node, startedAtMs: nowMs });
    run.store.subscribe((event) => this.#storeChanged(watched, event));
  }

  applied(node: SimNode, changes: readonly PeerChange[]): void {
    const watched = this.#watched.get(node);
    if (watched === undefined) return;
    watched.isDirty = true;
    const given = new Map<string, PublicKey>();
    for (const change of changes) {
      if (change.kind === "remove" || (change.kind === "update" && change.allowedIps === undefined)) continue;
      const { publicKey, allowedIps = [] } = change.kind === "update" ? change : change.peer;
      for (const ip of allowedIps) {
        const other = given.get(ip);
        if (other !== undefined && other !== publicKey)
          this.#found(watched, `one batch gives ${ip} to ${name(other)} and to ${name(publicKey)}`);
        given.set(ip, publicKey);
      }
    }
  }

  shookHands(node: SimNode, peer: PublicKey): void {
    this.#trace.add(TRACED.session, this.#nowMs(), node.index, indexOf(peer));
    this.#shookHands(node, peer);
  }

  failed(node: SimNode, error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.broken.push(`${this.#nowMs()} ms: a part of member ${node.index} failed: ${reason}`);
  }

  /** Once a virtual second. */
  look(): void {
    for (const watched of this.#watched.values()) {
      if (watched.node.run !== watched.run) {
        this.#watched.delete(watched.node);
        continue;
      }
      this.#lookAtTraffic(watched);
      if (watched.isDirty) this.#lookAtInterface(watched);
    }
  }

  #storeChanged(watched: Watched, event: PeerEvent): void {
    const { node, run, records, holders, left } = watched;
    const { publicKey, meshIp, meshIpv6 } = event.peer;
    const nowMs = this.#nowMs();
    watched.changedAtMs = nowMs;
    watched.isDirty = true;
    const before = records.get(publicKey);
    for (const address of [before?.meshIp, before?.meshIpv6])
      if (address && holders.get(address) === publicKey) holders.delete(address);
    if (event.type === "removed") {
      this.#trace.add(TRACED.peerRemoved, nowMs, node.index, indexOf(publicKey));
      if (before === undefined) this.#found(watched, `${name(publicKey)} is removed twice`);
      records.delete(publicKey);
      if (event.reason === "goodbye") left.set(publicKey, nowMs);
      return;
    }
    if (event.type === "added") {
      this.#trace.add(TRACED.peerAdded, nowMs, node.index, indexOf(publicKey));
      if (before !== undefined) this.#found(watched, `${name(publicKey)} has two records`);
      if (publicKey === node.key) this.#found(watched, "it has a record of itself");
    }
    if (this.#isGoneSince(publicKey, left.get(publicKey)))
      this.#found(watched, `${name(publicKey)} said goodbye and is gone, and is back here`);
    records.set(publicKey, { meshIp, meshIpv6 });
    for (const address of [meshIp, meshIpv6]) {
      if (address === null) continue;
      const holder = holders.get(address);
      if (holder !== undefined && holder !== publicKey)
        this.#found(watched, `${name(holder)} and ${name(publicKey)} both have ${address}`);
      const own = run.self.snapshot;
      if (address === own.meshIp || address === own.meshIpv6)
        this.#found(watched, `${name(publicKey)} has its own address ${address}`);
      holders.set(address, publicKey);
    }
  }

  /** The interface against the records, once both have rested. */
  #lookAtInterface(watched: Watched): void {
    const { run, records } = watched;
    if (this.#nowMs() - watched.changedAtMs < LAG_MS) return;
    watched.isDirty = false;
    const { store, device, routes } = run;
    if (store.size !== records.size)
      this.#found(watched, `${store.size} records, by its events ${records.size}`);
    const holders = new Map<string, PublicKey>();
    for (const { publicKey, allowedIps } of device.peers.values()) {
      if (!records.has(publicKey))
        this.#found(watched, `${name(publicKey)} is dead to the store and still on the interface`);
      for (const ip of allowedIps) {
        const holder = holders.get(ip);
        if (holder !== undefined)
          this.#found(watched, `${name(holder)} and ${name(publicKey)} both have the allowed IP ${ip}`);
        holders.set(ip, publicKey);
      }
    }
    for (const { destination } of routes.list())
      if (!holders.has(destination)) this.#found(watched, `its route to ${destination} leads to no peer`);
  }

  #lookAtTraffic(watched: Watched): void {
    const nowMs = this.#nowMs();
    const { host } = watched.node;
    const { datagrams, punches } = host.traffic;
    if (nowMs - watched.minuteFromMs >= 60_000) {
      watched.minuteFromMs = nowMs;
      host.traffic = noTraffic();
    }
    this.busiestMinute = Math.max(this.busiestMinute, datagrams);
    const most = DATAGRAMS_A_MINUTE + DATAGRAMS_A_MEMBER * this.#members;
    if (datagrams > most)
      this.#found(watched, `it sent ${datagrams} datagrams in a minute, ${most} are allowed`);
    if (punches > PUNCHES_A_MEMBER * this.#members)
      this.#found(watched, `it sent ${punches} datagrams in a minute out of WireGuard's port`);
  }

  /** It is down, and was not started again since. */
  #isGoneSince(publicKey: PublicKey, leftAtMs: number | undefined): boolean {
    const last = this.#last.get(publicKey);
    return leftAtMs !== undefined && last?.node.run === null && last.startedAtMs <= leftAtMs;
  }

  #found({ node }: Watched, what: string): void {
    this.broken.push(`${this.#nowMs()} ms: at member ${node.index}: ${what}`);
  }
}

const name = (publicKey: PublicKey): string => `member ${indexOf(publicKey)}`;
