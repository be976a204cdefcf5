/**
 * A WireGuard interface in memory: lets a whole daemon run inside one test, without rights and without packets.
 * It behaves like the kernel's where the daemon can tell: an allowed IP belongs to the last peer that was given it, a
 * removed peer loses its session, a port in use is refused.
 */
import { WgmeshError } from "../core/errors.ts";
import type { InterfaceName, PublicKey } from "../core/types.ts";
import type {
  ActualDevice,
  ActualPeer,
  Backend,
  BackendEvent,
  BackendName,
  PeerChange,
  PeerFailure,
  WantedPeer,
  WhichKey,
} from "./backend.ts";
import { MemoryWireguardPort } from "./memoryWireguardPort.ts";

type MutablePeer = { -readonly [Member in keyof ActualPeer]: ActualPeer[Member] };

export interface MemoryBackendOptions {
  readonly interfaceName: InterfaceName;
  /** The key `configure` sets. */
  readonly publicKey: PublicKey;
  readonly interfaceIndex?: number;
  /** The port of an interface that existed before; 0 or absent means that it is new. */
  readonly boundPort?: number;
  readonly portsInUse?: ReadonlySet<number>;
  /** False: a system on which WireGuard's port cannot be used beside it. */
  readonly wireguardPort?: boolean;
  /** The backend that it plays; absent the kernel's. */
  readonly name?: BackendName;
}

export class MemoryBackend implements Backend {
  readonly name: BackendName;
  readonly interfaceName: InterfaceName;
  readonly interfaceIndex: number;
  readonly adopted: boolean;
  readonly wireguardPort: MemoryWireguardPort | null;
  /** Every batch that was applied. */
  readonly batches: (readonly PeerChange[])[] = [];
  /** Peers whose changes are refused, with the reason. */
  readonly refuse = new Map<PublicKey, string>();
  isUp = false;
  fwmark = 0;
  /** Null while open. */
  closed: { readonly removed: boolean } | null = null;

  readonly #options: MemoryBackendOptions;
  readonly #peers = new Map<PublicKey, MutablePeer>();
  readonly #keys = new Map<PublicKey, WhichKey>();
  readonly #holders = new Map<string, MutablePeer>();
  readonly #listeners: ((event: BackendEvent) => void)[] = [];
  #publicKey: PublicKey | null = null;
  #listenPort: number;
  #fwmark = 0;
  #readError: Error | null = null;

  constructor(options: MemoryBackendOptions) {
    this.#options = options;
    this.interfaceName = options.interfaceName;
    this.interfaceIndex = options.interfaceIndex ?? 7;
    this.#listenPort = options.boundPort ?? 0;
    this.adopted = this.#listenPort !== 0;
    this.name = options.name ?? "kernel";
    this.wireguardPort = options.wireguardPort === false ? null : new MemoryWireguardPort();
  }

  listenPort(): number {
    return this.#listenPort;
  }

  async reset(): Promise<void> {
    this.#peers.clear();
  }

  configure(listenPort: number): void {
    if (listenPort !== this.#listenPort && this.#options.portsInUse?.has(listenPort)) {
      const cause = Object.assign(new Error("EADDRINUSE"), { code: "EADDRINUSE" });
      throw new WgmeshError("ERR_NO_PORT", `UDP port ${listenPort} is in use`, { cause });
    }
    this.#listenPort = listenPort;
    this.#publicKey = this.#options.publicKey;
    this.#fwmark = this.fwmark;
  }

  up(): void {
    this.isUp = true;
  }

  async apply(changes: readonly PeerChange[]): Promise<PeerFailure[]> {
    this.batches.push(changes);
    const failures: PeerFailure[] = [];
    for (const change of changes) {
      const publicKey = "peer" in change ? change.peer.publicKey : change.publicKey;
      const reason = this.refuse.get(publicKey);
      if (reason === undefined) this.#applyOne(change);
      else failures.push({ publicKey, reason });
    }
    return failures;
  }

  async read(): Promise<ActualDevice> {
    if (this.#readError !== null) throw this.#readError;
    return {
      publicKey: this.#publicKey,
      listenPort: this.#listenPort,
      fwmark: this.#fwmark,
      peers: [...this.#peers.values()].map((peer) => ({ ...peer })),
    };
  }

  onEvent(listener: (event: BackendEvent) => void): void {
    this.#listeners.push(listener);
  }

  close(remove: boolean): void {
    this.#peers.clear();
    this.isUp = false;
    this.closed ??= { removed: remove };
  }

  // ---- what a test does to it ----

  emit(event: BackendEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Changes the interface behind the daemon's back; null deletes the peer. */
  meddle(publicKey: PublicKey, change: Partial<Omit<ActualPeer, "publicKey">> | null): void {
    if (change === null) this.#peers.delete(publicKey);
    else this.#peers.set(publicKey, { ...(this.#peers.get(publicKey) ?? emptyPeer(publicKey)), ...change });
  }

  meddleWithPort(listenPort: number): void {
    this.#listenPort = listenPort;
  }

  meddleWithKey(publicKey: PublicKey): void {
    this.#publicKey = publicKey;
  }

  meddleWithFwmark(fwmark: number): void {
    this.#fwmark = fwmark;
  }

  failReads(error: Error | null): void {
    this.#readError = error;
  }

  peer(publicKey: PublicKey): ActualPeer | undefined {
    return this.#peers.get(publicKey);
  }

  /** Which preshared key it was given last. */
  keyOf(publicKey: PublicKey): WhichKey | undefined {
    return this.#peers.has(publicKey) ? this.#keys.get(publicKey) : undefined;
  }

  get peerCount(): number {
    return this.#peers.size;
  }

  // ----

  #applyOne(change: PeerChange): void {
    if (change.kind === "remove") {
      this.#peers.delete(change.publicKey);
      return;
    }
    if (change.kind === "add" || change.kind === "retrigger") {
      this.#add(change.peer);
      return;
    }
    const peer = this.#peers.get(change.publicKey);
    if (peer === undefined) return;
    if (change.endpoint !== undefined) peer.endpoint = change.endpoint;
    if (change.keepaliveSeconds !== undefined) peer.keepaliveSeconds = change.keepaliveSeconds;
    if (change.presharedKey !== undefined) {
      peer.hasPresharedKey = true;
      peer.presharedKeyChanged = false;
      this.#keys.set(change.publicKey, change.presharedKey);
    }
    if (change.allowedIps !== undefined) this.#setAllowedIps(peer, change.allowedIps);
  }

  #add(wanted: WantedPeer): void {
    const peer = {
      ...emptyPeer(wanted.publicKey),
      hasPresharedKey: true,
      endpoint: wanted.endpoint,
      keepaliveSeconds: wanted.keepaliveSeconds,
    };
    this.#peers.set(wanted.publicKey, peer);
    this.#keys.set(wanted.publicKey, wanted.presharedKey ?? "mesh");
    this.#setAllowedIps(peer, wanted.allowedIps);
  }

  #setAllowedIps(peer: MutablePeer, allowedIps: readonly string[]): void {
    for (const network of allowedIps) {
      const holder = this.#holders.get(network);
      if (holder !== undefined && holder !== peer)
        holder.allowedIps = holder.allowedIps.filter((ip) => ip !== network);
      this.#holders.set(network, peer);
    }
    peer.allowedIps = [...allowedIps];
  }
}

function emptyPeer(publicKey: PublicKey): MutablePeer {
  return {
    publicKey,
    hasPresharedKey: false,
    endpoint: null,
    allowedIps: [],
    keepaliveSeconds: 0,
    lastHandshakeMs: 0,
    rxBytes: 0,
    txBytes: 0,
  };
}
