/**
 * WireGuard in a simulated world, behind the daemon's `Backend`: handshakes and keepalives with the timers of the WireGuard paper
 * (section 6), roaming, cryptokey routing. A session stands when both ends have each other's key and a packet of each has reached the
 * other. Packets are counted and not encrypted.
 */
import { DueTimes } from "../../../src/core/dueTimes.ts";
import type { Endpoint, InterfaceName, PublicKey } from "../../../src/core/types.ts";
import type {
  ActualDevice,
  ActualPeer,
  Backend,
  BackendName,
  PeerChange,
  PeerFailure,
  WantedPeer,
} from "../../../src/wireguard/backend.ts";
import type { DatagramListener, WireguardPort } from "../../../src/wireguard/wireguardPort.ts";
import { type DevicePeer, pictureOf, type Session } from "./devicePeer.ts";
import type { EventQueue } from "./eventQueue.ts";
import type { Host, Network } from "./network.ts";
import type { NodeClock } from "./nodeClock.ts";

/** Bytes on the wire. */
const INITIATION_BYTES = 148;
const RESPONSE_BYTES = 92;
const KEEPALIVE_BYTES = 32;
/** IP, UDP and WireGuard's header and tag around a datagram. */
const TRANSPORT_BYTES = 60;

/** The WireGuard paper, section 6.1. */
const REKEY_AFTER_MS = 120_000;
const REJECT_AFTER_MS = 180_000;
const REKEY_TIMEOUT_MS = 5_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** A keepalive and a handshake's pause. */
const SILENT_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
/** How often a device looks at its timers. */
const TICK_MS = 1_000;

/** What a datagram through a tunnel does where it arrives. */
type Arrive = (at: SimDevice) => void;

export interface DeviceOptions {
  readonly queue: EventQueue;
  readonly network: Network;
  readonly host: Host;
  readonly clock: NodeClock;
  readonly publicKey: PublicKey;
  readonly meshIp: string;
  /** Told after each batch that was applied. */
  readonly applied: (changes: readonly PeerChange[]) => void;
  /** Told of each session that begins. */
  readonly shookHands: (peer: PublicKey) => void;
}

/** The device that listens at a host, for the devices of others. */
const listening = new WeakMap<Host, SimDevice>();

export class SimDevice implements Backend {
  readonly name: BackendName = "kernel";
  readonly interfaceName = "wg0" as InterfaceName;
  readonly interfaceIndex = 7;
  readonly adopted = false;
  readonly fwmark = 0;
  readonly wireguardPort: WireguardPort;
  readonly peers = new Map<PublicKey, DevicePeer>();
  readonly options: DeviceOptions;
  /** Told the mesh address of a node that asked us something through the tunnel. */
  asked: (from: string) => void = () => {};
  readonly #byAllowedIp = new Map<string, DevicePeer>();
  /** Which peers have a timer that comes due. */
  readonly #timers = new DueTimes<DevicePeer>();
  readonly #besideListeners = new Set<DatagramListener>();
  #listenPort = 0;
  #sentBytes = 0;
  #isUp = false;

  constructor(options: DeviceOptions) {
    this.options = options;
    this.wireguardPort = {
      send: (data, to) => this.#sendBeside(Buffer.from(data), to),
      onDatagram: (listener) => {
        this.#besideListeners.add(listener);
        return () => void this.#besideListeners.delete(listener);
      },
    };
  }

  listenPort(): number {
    return this.#listenPort;
  }

  async reset(): Promise<void> {
    this.peers.clear();
    this.#timers.clear();
    this.#byAllowedIp.clear();
  }

  configure(listenPort: number): void {
    this.#listenPort = listenPort;
  }

  up(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    const { host, clock } = this.options;
    listening.set(host, this);
    host.tunnel = this;
    const tick = (): void => {
      if (!this.#isUp) return;
      const { nowMs } = this.options.queue;
      for (const peer of this.#timers.due(nowMs)) this.#keep(peer);
      clock.afterOfKernel(TICK_MS, tick);
    };
    clock.afterOfKernel(TICK_MS, tick);
  }

  async apply(changes: readonly PeerChange[]): Promise<PeerFailure[]> {
    for (const change of changes) this.#applyOne(change);
    this.options.applied(changes);
    return [];
  }

  async read(): Promise<ActualDevice> {
    const peers: ActualPeer[] = [];
    for (const peer of this.peers.values()) {
      peer.picture ??= pictureOf(peer);
      peers.push(peer.picture);
    }
    return { publicKey: this.options.publicKey, listenPort: this.#listenPort, fwmark: 0, peers };
  }

  onEvent(): void {}

  close(): void {
    this.#isUp = false;
    this.peers.clear();
    this.#timers.clear();
    this.#byAllowedIp.clear();
    const { host } = this.options;
    if (listening.get(host) !== this) return;
    listening.delete(host);
    host.tunnel = null;
  }

  /** Bytes sent to all peers. */
  sentBytes(): number {
    return this.#sentBytes;
  }

  /** The session that packets to the peer go out under, or null. */
  session(publicKey: PublicKey): { readonly id: number } | null {
    const peer = this.peers.get(publicKey);
    return peer === undefined ? null : this.#valid(peer);
  }

  /** Whether packets under that session are taken, or will be once the first has come. */
  knowsSession(publicKey: PublicKey, id: number): boolean {
    const peer = this.peers.get(publicKey);
    return (
      peer !== undefined && (peer.session?.id === id || peer.previousId === id || peer.answeredId === id)
    );
  }

  send(to: { readonly host: string; readonly port: number }, fromPort: number, data: Buffer): void {
    this.#sendTo(to.host, data.length, (at) => {
      if (at.options.meshIp === to.host)
        at.options.host.receiveFromTunnel(to.port, { host: this.options.meshIp, port: fromPort }, data);
    });
  }

  /** Whether the node at the mesh address answers through the tunnel in time. */
  ping(meshIp: string, withinMs = 600): Promise<boolean> {
    const { clock, meshIp: ours } = this.options;
    return new Promise((resolve) => {
      clock.after(withinMs, () => resolve(false));
      this.#sendTo(meshIp, 32, (at) => {
        if (at.options.meshIp !== meshIp) return;
        at.asked(ours);
        at.#sendTo(ours, 32, (back) => void (back === this && resolve(true)));
      });
    });
  }

  #applyOne(change: PeerChange): void {
    if (change.kind === "remove") this.#remove(change.publicKey);
    else if (change.kind === "add" || change.kind === "retrigger") this.#add(change.peer);
    else {
      const peer = this.peers.get(change.publicKey);
      if (peer === undefined) return;
      this.#timers.set(peer, 0);
      peer.picture = null;
      if (change.endpoint !== undefined) peer.endpoint = change.endpoint;
      if (change.keepaliveSeconds !== undefined) peer.keepaliveSeconds = change.keepaliveSeconds;
      if (change.allowedIps !== undefined) this.#setAllowedIps(peer, change.allowedIps);
    }
  }

  #remove(publicKey: PublicKey): void {
    const peer = this.peers.get(publicKey);
    if (peer === undefined) return;
    this.#setAllowedIps(peer, []);
    this.peers.delete(publicKey);
    this.#timers.delete(peer);
  }

  #add({ publicKey, endpoint, allowedIps, keepaliveSeconds }: WantedPeer): void {
    this.#remove(publicKey);
    const never = Number.NEGATIVE_INFINITY;
    // A mesh of a thousand has a million of them: with each member named they have one shape in V8, and a third of the size.
    const peer: DevicePeer = {
      publicKey,
      endpoint,
      allowedIps: [],
      keepaliveSeconds,
      lastHandshakeMs: 0,
      rxBytes: 0,
      txBytes: 0,
      session: null,
      previousId: 0,
      initiatedId: 0,
      initiatedAtMs: never,
      answeredId: 0,
      sentAtMs: never,
      owesSinceMs: null,
      unansweredSinceMs: null,
      picture: null,
    };
    this.peers.set(publicKey, peer);
    this.#timers.set(peer, 0);
    this.#setAllowedIps(peer, allowedIps);
    if (keepaliveSeconds > 0) this.#initiate(peer);
  }

  /** As in the kernel, an allowed IP belongs to the last peer that was given it. */
  #setAllowedIps(peer: DevicePeer, allowedIps: readonly string[]): void {
    for (const ip of peer.allowedIps) if (this.#byAllowedIp.get(ip) === peer) this.#byAllowedIp.delete(ip);
    for (const ip of allowedIps) {
      const holder = this.#byAllowedIp.get(ip);
      if (holder !== undefined && holder !== peer) {
        holder.allowedIps = holder.allowedIps.filter((other) => other !== ip);
        holder.picture = null;
      }
      this.#byAllowedIp.set(ip, peer);
    }
    peer.allowedIps = [...allowedIps];
    peer.picture = null;
  }

  #keep(peer: DevicePeer): void {
    const { nowMs } = this.options.queue;
    const session = this.#valid(peer);
    const isSilent = peer.unansweredSinceMs !== null && nowMs - peer.unansweredSinceMs >= SILENT_MS;
    const isOld = session?.initiator === true && nowMs - session.atMs >= REKEY_AFTER_MS;
    if (isSilent) peer.unansweredSinceMs = null;
    if (isSilent || (peer.keepaliveSeconds > 0 && (session === null || isOld))) this.#initiate(peer);
    const owes = peer.owesSinceMs !== null && nowMs - peer.owesSinceMs >= KEEPALIVE_TIMEOUT_MS;
    const isDue = peer.keepaliveSeconds > 0 && nowMs - peer.sentAtMs >= peer.keepaliveSeconds * 1000;
    if (session !== null && (owes || isDue)) this.#transport(peer, session, KEEPALIVE_BYTES, null);
    this.#timers.set(peer, this.#restsUntilMs(peer));
  }

  /** Nothing comes due before, whatever is sent or received meanwhile: what begins to wait meanwhile waits at least as long as a keepalive that is owed. */
  #restsUntilMs({ keepaliveSeconds, session, sentAtMs, owesSinceMs, unansweredSinceMs }: DevicePeer): number {
    const { nowMs } = this.options.queue;
    if (session === null) return nowMs;
    const { initiator, atMs } = session;
    return Math.min(
      nowMs + KEEPALIVE_TIMEOUT_MS,
      (owesSinceMs ?? nowMs) + KEEPALIVE_TIMEOUT_MS,
      (unansweredSinceMs ?? nowMs) + SILENT_MS,
      keepaliveSeconds > 0 ? sentAtMs + keepaliveSeconds * 1000 : Number.POSITIVE_INFINITY,
      atMs + (initiator ? REKEY_AFTER_MS : REJECT_AFTER_MS),
    );
  }

  #valid({ session }: DevicePeer): Session | null {
    return session !== null && this.options.queue.nowMs - session.atMs < REJECT_AFTER_MS ? session : null;
  }

  #initiate(peer: DevicePeer): void {
    const { queue, network, publicKey } = this.options;
    if (!this.#isUp || queue.nowMs - peer.initiatedAtMs < REKEY_TIMEOUT_MS) return;
    peer.initiatedAtMs = queue.nowMs;
    const id = network.nextId();
    peer.initiatedId = id;
    this.#transmit(peer, INITIATION_BYTES, (at, from) => at.#receiveInitiation(publicKey, from, id));
  }

  #receiveInitiation(from: PublicKey, source: Endpoint, id: number): void {
    const peer = this.peers.get(from);
    if (peer === undefined) return;
    const { publicKey } = this.options;
    peer.endpoint = source;
    peer.rxBytes += INITIATION_BYTES;
    peer.picture = null;
    peer.answeredId = id;
    this.#transmit(peer, RESPONSE_BYTES, (at, back) => at.#receiveResponse(publicKey, back, id));
  }

  #receiveResponse(from: PublicKey, source: Endpoint, id: number): void {
    const peer = this.peers.get(from);
    if (peer === undefined || peer.initiatedId !== id) return;
    peer.initiatedId = 0;
    peer.endpoint = source;
    peer.rxBytes += RESPONSE_BYTES;
    peer.picture = null;
    this.#transport(peer, this.#establish(peer, id, true), KEEPALIVE_BYTES, null);
  }

  #establish(peer: DevicePeer, id: number, initiator: boolean): Session {
    const { clock, queue, shookHands } = this.options;
    // As in the kernel: one of the other side's that crossed ours stays good for receiving, and ours is sent under.
    const crossedId = initiator ? peer.answeredId : 0;
    peer.previousId = crossedId === 0 ? (peer.session?.id ?? 0) : crossedId;
    if (crossedId !== 0) peer.answeredId = 0;
    const session = { id, initiator, atMs: queue.nowMs };
    peer.session = session;
    peer.lastHandshakeMs = clock.wallMs();
    peer.picture = null;
    this.#timers.set(peer, 0);
    shookHands(peer.publicKey);
    return session;
  }

  #sendTo(meshIp: string, sizeBytes: number, arrive: Arrive): void {
    const peer = this.#byAllowedIp.get(`${meshIp}/32`);
    if (peer === undefined) return;
    const session = this.#valid(peer);
    // WireGuard would keep the packet until there is a session; what discovery sends may be lost.
    if (session === null) this.#initiate(peer);
    else this.#transport(peer, session, TRANSPORT_BYTES + sizeBytes, arrive);
  }

  #transport(peer: DevicePeer, session: Session, sizeBytes: number, arrive: Arrive | null): void {
    const { nowMs } = this.options.queue;
    const { publicKey } = this.options;
    peer.sentAtMs = nowMs;
    peer.owesSinceMs = null;
    if (arrive !== null) peer.unansweredSinceMs ??= nowMs;
    const { id } = session;
    this.#transmit(peer, sizeBytes, (at, from) =>
      at.#receiveTransport(publicKey, from, id, sizeBytes, arrive),
    );
  }

  #receiveTransport(
    from: PublicKey,
    source: Endpoint,
    id: number,
    sizeBytes: number,
    arrive: Arrive | null,
  ): void {
    const peer = this.peers.get(from);
    if (peer === undefined) return;
    if (peer.answeredId === id) {
      peer.answeredId = 0;
      this.#establish(peer, id, false);
    } else if (id !== peer.session?.id && id !== peer.previousId) return;
    peer.endpoint = source;
    peer.rxBytes += sizeBytes;
    peer.picture = null;
    peer.unansweredSinceMs = null;
    if (arrive === null) return;
    peer.owesSinceMs ??= this.options.queue.nowMs;
    arrive(this);
  }

  /** A datagram of discovery, out of WireGuard's own port. */
  #sendBeside(data: Buffer, to: Endpoint): void {
    const { network, host } = this.options;
    host.traffic.punches += 1;
    const port = this.#listenPort;
    network.carry(host, to.host, data.length, (there, fromIp) => {
      const at = listening.get(there);
      if (at?.listenPort() !== to.port) return;
      for (const listener of at.#besideListeners) listener(data, { host: fromIp, port });
    });
  }

  #transmit(peer: DevicePeer, sizeBytes: number, arrive: (at: SimDevice, from: Endpoint) => void): void {
    const { network, host } = this.options;
    const { endpoint } = peer;
    if (endpoint === null) return;
    peer.txBytes += sizeBytes;
    this.#sentBytes += sizeBytes;
    peer.picture = null;
    host.traffic.tunnelDatagrams += 1;
    host.traffic.tunnelBytes += sizeBytes;
    const port = this.#listenPort;
    network.carry(host, endpoint.host, sizeBytes, (to, fromIp) => {
      const at = listening.get(to);
      if (at?.listenPort() === endpoint.port) at.#receive(arrive, { host: fromIp, port });
    });
  }

  #receive(arrive: (at: SimDevice, from: Endpoint) => void, from: Endpoint): void {
    if (this.#isUp) arrive(this, from);
  }
}
