import type { Cidr, Endpoint, IpAddress, PublicKey } from "../core/types.ts";
import type { KeyFilter } from "./keyFilter.ts";
import type { RelayMessageType } from "./relay.ts";
import type { RotationNotice } from "./rotation.ts";

/** Message types of this release (PROTOCOL.md section 4); INVITE and PUNCH are ours. */
export type MessageType =
  | "HELLO"
  | "REPLY"
  | "ANNOUNCE"
  | "GOODBYE"
  | "RENDEZVOUS_OFFER"
  | "RENDEZVOUS_START"
  | "INVITE"
  | "PUNCH"
  | RelayMessageType;

/** `""` when the sender said nothing, or something unknown. */
export type NatType = "cone" | "symmetric" | "unknown" | "";

/** What a message tells about one node, be it the sender or one of its known peers (PROTOCOL.md section 4.2). */
export interface KnownPeer {
  readonly publicKey: PublicKey;
  /** Printable ASCII, 253 bytes at most; "" when not told. */
  readonly hostname: string;
  readonly meshIp: IpAddress;
  readonly meshIpv6: IpAddress | null;
  /** As sent: wire/endpointRules.ts decides what becomes of it. */
  readonly wgEndpoint: string;
  readonly introducer: boolean;
  readonly natType: NatType;
}

/** One entry of `known_peers`. */
export interface Mention extends KnownPeer {
  /**
   * Seconds since the peer itself was last heard, as far as the teller knows: its own hearing, or what it was told plus how long
   * ago that was. Our extension (`age`), so that a mention does not make the dead fresh; absent from Go nodes.
   */
  readonly ageSeconds?: number | undefined;
}

/** HELLO, REPLY and ANNOUNCE (PROTOCOL.md section 4.1): the sender on itself. */
export interface Announcement extends KnownPeer {
  readonly networks: readonly Cidr[];
  /** The sender's clock, Unix seconds. */
  readonly timestampSeconds: number;
  readonly knownPeers: readonly Mention[];
  /** Only in REPLY: where the HELLO came from, as sent; "" when absent. */
  readonly observedEndpoint: string;
  /** 16 hex digits, new at each start of the sender's daemon; "" for Go nodes. Our extension. */
  readonly instance: string;
  /** WireGuard's own port where `wgEndpoint` names the one a NAT gave it; for those on the sender's side of the NAT. Our extension. */
  readonly wireguardPort?: number | undefined;
  /** Where the sender's WireGuard may be reached, the best first; few, and each somebody's address. Our extension. */
  readonly candidates?: readonly Endpoint[];
  /** The sender relays for others. Our extension. */
  readonly relays?: boolean;
  /** Shows that the sender is a member (wire/membership.ts); empty or absent for Go nodes. Our extension. */
  readonly token?: Uint8Array | undefined;
  /** The sender lives at its mesh addresses: who claims them now came later (peers/collision.ts). Our extension. */
  readonly settled?: boolean;
  /** New secrets that are announced or withdrawn; see wire/rotation.ts. Our extension. */
  readonly rotations?: readonly RotationNotice[] | undefined;
  /** Only in HELLO: whom the sender knows, so that the REPLY names others. Our extension. */
  readonly have?: KeyFilter | undefined;
  /**
   * The sender forwards to the Internet for whoever asks for it. Our extension, and no network of `networks`: Go nodes would move
   * their default route (weak point 4).
   */
  readonly exitNode?: boolean;
}

/** GOODBYE (PROTOCOL.md section 4.5). */
export interface Goodbye {
  readonly publicKey: PublicKey;
  readonly timestampSeconds: number;
}

/** Why a payload was not taken: JSON of the wrong shape, or the first field that broke its rule. */
export type DecodeRejection =
  | { readonly ok: false; readonly stage: "announcement_json" }
  | { readonly ok: false; readonly stage: "field"; readonly field: string };

export type Decoded<T> = { readonly ok: true; readonly value: T } | DecodeRejection;
