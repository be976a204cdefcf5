import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import { type LocalNode, ownEndpoint, ownLanEndpoint } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import { ACTIVE_MS, type PeerStore } from "../peers/store.ts";
import { encodeAnnouncement, MAX_DATAGRAM_BYTES } from "../wire/announcement.ts";
import { sealEnvelope } from "../wire/envelope.ts";
import { encodeGoodbye } from "../wire/goodbye.ts";
import { type KeyFilter, keyFilter, lacksKey } from "../wire/keyFilter.ts";
import { hourOf, type Membership } from "../wire/membership.ts";
import { MESSAGE_ID_BYTES, PROOF_OVERHEAD_BYTES, type Prover, withProof } from "../wire/proof.ts";
import type { Mention, MessageType } from "../wire/types.ts";
import { MentionRotation } from "./mentionRotation.ts";
import type { RotationTalk, Sealer } from "./seams.ts";

/** No more mentions than this go into a datagram, even of the shortest kind. */
const MOST_THAT_FIT = 12;

/** News in one message of gossip; what else fits is the rotating part, which also carries ages. */
const NEWS_A_MESSAGE = 2;

export interface AnnouncerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly self: LocalNode;
  readonly store: PeerStore;
  readonly sealer: Sealer;
  readonly prover: Prover;
  /** Makes tokens; absent sends none. */
  readonly membership?: Membership | undefined;
  /** `--privacy`: no message names a third node. */
  readonly namesNobody?: boolean;
  readonly rotation?: RotationTalk | undefined;
}

/** What differs from a message that says only who we are. */
interface Details {
  readonly observedEndpoint?: string;
  readonly maxBytes?: number;
  readonly endpoint?: Endpoint;
  /** Told how many of the candidates went in. */
  readonly mentioned?: (used: number) => void;
  readonly have?: KeyFilter | undefined;
}

/**
 * Makes the datagrams in which this node speaks of itself, sealed and ready to send. Those that are for one key carry a proof
 * that they are ours (wire/proof.ts).
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #rotation: MentionRotation;
  /** The token of an hour; one hash an hour in place of one a message. */
  #token: { readonly hour: number; readonly bytes: Uint8Array } | null = null;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#rotation = new MentionRotation(options.random);
  }

  /**
   * A HELLO. `to` is the peer it is meant for, null when only an address is known. With `small` nobody is mentioned: an
   * address that has not answered may be a victim's (weak point 10). `round` counts how often this peer was asked whom we lack.
   */
  hello(to: PublicKey | null, small: boolean, round?: number): Buffer {
    const { namesNobody, random, store } = this.#options;
    const asks = round !== undefined && !small && !namesNobody;
    const have = asks ? keyFilter(store.keysInOrder, round, random) : undefined;
    return this.#seal("HELLO", small ? [] : this.#candidates(to), to, { have });
  }

  /**
   * A REPLY that tells `from` how it looks from here, and of peers that `have` lacks; null when it cannot be made within
   * `maxBytes`.
   */
  reply(to: PublicKey, from: Endpoint, maxBytes: number, have?: KeyFilter): Buffer | null {
    const mentionable = this.#mentionable(to);
    const candidates = this.#candidates(to, (publicKey) =>
      have === undefined || lacksKey(have, publicKey) ? mentionable(publicKey) : null,
    );
    const limit = Math.min(MAX_DATAGRAM_BYTES, maxBytes);
    const datagram = this.#seal("REPLY", candidates, to, {
      observedEndpoint: endpointText(from),
      maxBytes: limit,
    });
    return datagram.length <= maxBytes ? datagram : null;
  }

  /** The LAN announcement: never with known peers (PROTOCOL.md section 4.2). */
  lan(): Buffer {
    return this.#seal("ANNOUNCE", [], null, { endpoint: ownLanEndpoint(this.#options.self.snapshot) });
  }

  goodbye(to: PublicKey): Buffer {
    const { clock, random, self, sealer } = this.#options;
    const payload = encodeGoodbye(self.snapshot.publicKey, Math.floor(clock.wallMs() / 1000));
    return sealEnvelope("GOODBYE", this.#proven("GOODBYE", payload, to), sealer, random);
  }

  /**
   * In-mesh gossip: the first of `news` that may be mentioned, then the rotating part. `told` is called with the news that
   * went in.
   */
  gossip(to: PublicKey, news: readonly PublicKey[], told: (publicKeys: PublicKey[]) => void): Buffer {
    const mentionable = this.#mentionable(to);
    const known = news.map((publicKey) => (publicKey === to ? null : mentionable(publicKey)));
    const first = known.filter((peer) => peer !== null).slice(0, NEWS_A_MESSAGE);
    const isNews = new Set(first);
    const rest = this.#candidates(to, (publicKey) => {
      const peer = mentionable(publicKey);
      return peer === null || isNews.has(peer) ? null : peer;
    });
    return this.#seal("ANNOUNCE", [...first, ...rest], to, {
      mentioned: (used) => {
        told(first.slice(0, used).map(({ publicKey }) => publicKey));
        this.#rotation.mentioned(to, rest, Math.max(0, used - first.length));
      },
    });
  }

  #candidates(to: PublicKey | null, mentionable = this.#mentionable(to)): Peer[] {
    return this.#rotation.next(to, this.#options.store.keysInOrder, mentionable, MOST_THAT_FIT);
  }

  /**
   * Only peers that live: the dead must not circulate (weak point 23). Nodes of ours are also told of peers that only others have
   * heard lately, since the age goes with them; a Go peer would take those for fresh.
   */
  #mentionable(to: PublicKey | null): (publicKey: PublicKey) => Peer | null {
    const { clock, namesNobody, store } = this.#options;
    if (namesNobody) return () => null;
    const nowMs = clock.wallMs();
    const isOurs = to !== null && (store.get(to)?.instance ?? "") !== "";
    // Where so many strangers are that they may be invented, those with a tunnel would be lost among them.
    const counts = (peer: Peer): boolean => !store.isCrowded || isConnected(peer.lastHandshakeMs, nowMs);
    const lives = (peer: Peer): boolean =>
      isOurs ? store.heardAgoMs(peer.publicKey) < ACTIVE_MS : store.isActive(peer);
    return (publicKey) => {
      const peer = store.get(publicKey);
      return peer !== undefined && peer.meshIp !== null && lives(peer) && counts(peer) ? peer : null;
    };
  }

  #seal(
    type: "HELLO" | "REPLY" | "ANNOUNCE",
    candidates: readonly Peer[],
    to: PublicKey | null,
    {
      observedEndpoint = "",
      maxBytes = MAX_DATAGRAM_BYTES,
      endpoint = ownEndpoint(this.#options.self.snapshot),
      mentioned = (used) => this.#rotation.mentioned(to, candidates, used),
      have,
    }: Details = {},
  ): Buffer {
    const { clock, random, self, sealer } = this.#options;
    const node = self.snapshot;
    const { payload, knownPeersUsed } = encodeAnnouncement(
      type,
      {
        publicKey: node.publicKey,
        hostname: node.hostname,
        meshIp: node.meshIp,
        meshIpv6: node.meshIpv6,
        wgEndpoint: endpointText(endpoint),
        introducer: node.introducer,
        relays: node.relays,
        settled: node.settled === true,
        exitNode: node.exitNode === true,
        natType: node.natType,
        networks: node.networks,
        timestampSeconds: Math.floor(clock.wallMs() / 1000),
        knownPeers: candidates.slice(0, MOST_THAT_FIT).flatMap((peer) => this.#mention(peer)),
        observedEndpoint,
        instance: node.instance,
        wireguardPort: endpoint.port === node.wireguardPort ? undefined : node.wireguardPort,
        // Not to the whole LAN, where the datagram's source says it.
        candidates: type === "ANNOUNCE" && to === null ? [] : node.candidates,
        token: this.#membershipToken(),
        rotations: this.#options.rotation?.notices() ?? [],
        have,
      },
      maxBytes,
      to === null ? 0 : PROOF_OVERHEAD_BYTES,
    );
    mentioned(knownPeersUsed);
    return sealEnvelope(type, this.#proven(type, payload, to), sealer, random);
  }

  #proven(type: MessageType, payload: string, to: PublicKey | null): string {
    const { prover, random } = this.#options;
    return to === null ? payload : withProof(payload, type, to, prover, random.bytes(MESSAGE_ID_BYTES));
  }

  #membershipToken(): Uint8Array | undefined {
    const { clock, membership, self } = this.#options;
    if (membership === undefined) return undefined;
    const hour = hourOf(clock.wallMs());
    if (this.#token?.hour !== hour) {
      this.#token = { hour, bytes: membership.token(self.snapshot.publicKey, hour) };
    }
    return this.#token.bytes;
  }

  #mention(peer: Peer): Mention[] {
    if (peer.meshIp === null) return [];
    const ageSeconds = Math.max(1, Math.ceil(this.#options.store.heardAgoMs(peer.publicKey) / 1000));
    return [
      {
        publicKey: peer.publicKey,
        hostname: peer.hostname,
        meshIp: peer.meshIp,
        meshIpv6: peer.meshIpv6,
        wgEndpoint: peer.endpoint === null ? "" : endpointText(peer.endpoint),
        introducer: peer.introducer,
        natType: peer.natType,
        ageSeconds: Number.isFinite(ageSeconds) ? ageSeconds : undefined,
      },
    ];
  }
}
