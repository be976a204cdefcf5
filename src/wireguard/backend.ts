/**
 * The daemon's view of a WireGuard interface. The addon implements it for the kernel, the embedded engine and
 * wireguard-go (wireguard/nativeBackend.ts); tests use the in-memory twin (wireguard/memoryBackend.ts).
 */
import type { Cidr, Endpoint, InterfaceName, PublicKey } from "../core/types.ts";
import type { WireguardPort } from "./wireguardPort.ts";

export type BackendName = "kernel" | "embedded" | "wireguard-go";

/** A preshared key, by what it belongs to. */
export type WhichKey = "mesh" | "next" | "own";

/** A peer as we want it on the interface. */
export interface WantedPeer {
  readonly publicKey: PublicKey;
  readonly endpoint: Endpoint | null;
  readonly allowedIps: readonly Cidr[];
  /** Seconds, 0 is off. */
  readonly keepaliveSeconds: number;
  /** The endpoint is written again when WireGuard followed a packet from elsewhere: it is a socket of ours. */
  readonly pinned?: true;
  /**
   * `next` while the mesh moves to a new secret, for a peer that has it too; else the preshared key of the mesh. After the move, when
   * there is no next one, both are the same. `own` for a client, whose key follows from ours and its own.
   */
  readonly presharedKey?: "next" | "own";
}

/** A peer as it is on the interface. */
export interface ActualPeer {
  readonly publicKey: PublicKey;
  readonly hasPresharedKey: boolean;
  /** It has another one than it was given last: somebody else's. Absent is false. */
  readonly presharedKeyChanged?: boolean;
  readonly endpoint: Endpoint | null;
  readonly allowedIps: readonly string[];
  readonly keepaliveSeconds: number;
  readonly lastHandshakeMs: number;
  readonly rxBytes: number;
  readonly txBytes: number;
}

export type PeerChange =
  | { readonly kind: "add"; readonly peer: WantedPeer }
  /** Only the members named are changed. */
  | {
      readonly kind: "update";
      readonly publicKey: PublicKey;
      readonly endpoint?: Endpoint;
      readonly allowedIps?: readonly Cidr[];
      readonly keepaliveSeconds?: number;
      readonly presharedKey?: WhichKey;
    }
  /** Remove and add again in one batch: retriggers the handshake. */
  | { readonly kind: "retrigger"; readonly peer: WantedPeer }
  | { readonly kind: "remove"; readonly publicKey: PublicKey };

export interface PeerFailure {
  readonly publicKey: PublicKey;
  readonly reason: string;
}

export interface ActualDevice {
  readonly publicKey: PublicKey | null;
  readonly listenPort: number;
  /** SO_MARK of what WireGuard sends, 0 for none. */
  readonly fwmark: number;
  readonly peers: readonly ActualPeer[];
}

export type BackendEvent =
  | { readonly type: "handshake"; readonly publicKey: PublicKey }
  | { readonly type: "foreign-change"; readonly what: string }
  | { readonly type: "notice"; readonly text: string }
  | { readonly type: "failed"; readonly reason: string };

export interface Backend {
  readonly name: BackendName;
  readonly interfaceName: InterfaceName;
  readonly interfaceIndex: number;
  /** True when the interface existed and was kept. */
  readonly adopted: boolean;
  /**
   * Its UDP port, for datagrams beside WireGuard; null when the system does not give it to us (a notice says why). It follows the
   * listen port, and is there before one is bound.
   */
  readonly wireguardPort: WireguardPort | null;
  /** The mark that what WireGuard sends is to have, 0 for none. */
  readonly fwmark: number;
  /** The port bound now, 0 when none. */
  listenPort(): number;
  reset(): Promise<void>;
  /** Sets key, port and {@link fwmark}; throws a WgmeshError ERR_NO_PORT with cause code EADDRINUSE when the port is taken. */
  configure(listenPort: number): void;
  up(): void;
  apply(changes: readonly PeerChange[]): Promise<PeerFailure[]>;
  read(): Promise<ActualDevice>;
  onEvent(listener: (event: BackendEvent) => void): void;
  close(remove: boolean): void;
}
