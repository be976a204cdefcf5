/**
 * A WireGuard interface of the addon as the daemon's {@link Backend}: the kernel's, the embedded engine's, or a wireguard-go's.
 */
import type {
  PeerChange as NativeChange,
  NodeIdentity,
  PeerState,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";
import { WgmeshError } from "../core/errors.ts";
import {
  type Endpoint,
  endpointText,
  type InterfaceName,
  type PublicKey,
  parseEndpoint,
} from "../core/types.ts";
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
import { fromNative, translated } from "./nativeErrors.ts";
import { NativeWireguardPort } from "./nativeWireguardPort.ts";
import type { WireguardPort } from "./wireguardPort.ts";

/** The handles an interface is configured from; what they hold stays in the addon. */
export interface Keys {
  readonly identity: NodeIdentity;
  /** Of every pair of nodes. Asked for at every change: it is another once the mesh has moved to a new secret. */
  readonly presharedKey: PresharedKey;
  /** Of the pairs that have the new secret both, while the mesh moves to it. */
  readonly nextPresharedKey?: PresharedKey | null;
}

/** Every method throws, or rejects with, a WgmeshError whose cause is the native error. */
export class NativeBackend implements Backend {
  readonly name: BackendName;
  readonly interfaceName: InterfaceName;
  readonly interfaceIndex: number;
  readonly adopted: boolean;
  readonly fwmark: number;
  readonly wireguardPort: WireguardPort | null = null;
  /** Why there is no {@link wireguardPort}, or null. */
  readonly wireguardPortError: WgmeshError | null = null;
  readonly #device: WireGuardDevice;
  readonly #keys: Keys;

  constructor(device: WireGuardDevice, keys: Keys, fwmark = 0) {
    this.#device = device;
    this.#keys = keys;
    this.fwmark = fwmark;
    this.name = device.kind;
    // The addon took the name under the same rule.
    this.interfaceName = device.name as InterfaceName;
    this.interfaceIndex = device.index;
    this.adopted = device.adopted;
    try {
      this.wireguardPort = translated(() => new NativeWireguardPort(device));
    } catch (error) {
      if (!(error instanceof WgmeshError)) throw error;
      this.wireguardPortError = error;
    }
  }

  listenPort(): number {
    return translated(() => this.#device.listenPort());
  }

  async reset(): Promise<void> {
    await settled(this.#device.reset());
  }

  configure(listenPort: number): void {
    const { fwmark } = this;
    translated(() => this.#device.configure({ identity: this.#keys.identity, listenPort, fwmark }));
  }

  up(): void {
    translated(() => this.#device.up());
  }

  async apply(changes: readonly PeerChange[]): Promise<PeerFailure[]> {
    const { identity, presharedKey, nextPresharedKey } = this.#keys;
    const keyOf: KeyOf = (which, publicKey) => {
      if (which === "own") return identity.clientPresharedKey(publicKey);
      return which === "next" ? (nextPresharedKey ?? presharedKey) : presharedKey;
    };
    const batch = changes.map((change) => nativeChange(change, keyOf));
    const failed = await settled(this.#device.apply(batch));
    return failed.map(({ publicKey, error }) => ({ publicKey: publicKey as PublicKey, reason: error }));
  }

  async read(): Promise<ActualDevice> {
    const state = await settled(this.#device.read());
    return {
      publicKey: state.publicKey as PublicKey | null,
      listenPort: state.listenPort,
      fwmark: state.fwmark,
      peers: completed(state.peers),
    };
  }

  onEvent(listener: (event: BackendEvent) => void): void {
    translated(() => this.#device.onEvent((event) => listener(event as BackendEvent)));
  }

  close(remove: boolean): void {
    translated(() => this.#device.close(remove));
  }
}

/** The same entries, which nobody else has: only the endpoint is another for us, and copies of thousands take their time. */
function completed(peers: readonly PeerState[]): readonly ActualPeer[] {
  const entries = peers as readonly (Omit<PeerState, "endpoint"> & { endpoint: Endpoint | string | null })[];
  for (const entry of entries) {
    if (typeof entry.endpoint === "string") entry.endpoint = actualEndpoint(entry.endpoint);
  }
  // The addon took the keys under the same rule.
  return entries as unknown as readonly ActualPeer[];
}

/**
 * The addon's text is canonical already, and checking it again took as long as reading a thousand peers. What is not, and so
 * goes the long way: an IPv6 endpoint with a zone, which has no text that other nodes could use and is shown as none, and an
 * IPv4 address mapped into IPv6.
 */
function actualEndpoint(text: string): Endpoint | null {
  const colon = text.lastIndexOf(":");
  if (!text.startsWith("[")) return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
  if (text.includes("%") || text.startsWith("[::ffff:")) return parseEndpoint(text);
  return { host: text.slice(1, colon - 1), port: Number(text.slice(colon + 1)) };
}

async function settled<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw fromNative(error);
  }
}

type KeyOf = (which: WhichKey, publicKey: PublicKey) => PresharedKey;

/** One entry of the addon's batch. */
export function nativeChange(change: PeerChange, keyOf: KeyOf): NativeChange {
  switch (change.kind) {
    case "remove":
      return { publicKey: change.publicKey, remove: true };
    case "add":
      return wholePeer(change.peer, keyOf);
    case "retrigger":
      return { ...wholePeer(change.peer, keyOf), reset: true };
    case "update":
      return {
        publicKey: change.publicKey,
        updateOnly: true,
        ...(change.presharedKey && { presharedKey: keyOf(change.presharedKey, change.publicKey) }),
        ...(change.endpoint && { endpoint: endpointText(change.endpoint) }),
        ...(change.allowedIps && { allowedIps: change.allowedIps }),
        ...(change.keepaliveSeconds !== undefined && { keepaliveSeconds: change.keepaliveSeconds }),
      };
  }
}

function wholePeer(peer: WantedPeer, keyOf: KeyOf): NativeChange {
  return {
    publicKey: peer.publicKey,
    presharedKey: keyOf(peer.presharedKey ?? "mesh", peer.publicKey),
    ...(peer.endpoint && { endpoint: endpointText(peer.endpoint) }),
    allowedIps: peer.allowedIps,
    keepaliveSeconds: peer.keepaliveSeconds,
  };
}
