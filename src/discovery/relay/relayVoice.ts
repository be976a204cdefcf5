/** What this node says as an end of relayed pairs: sealed, with a proof, to relays and to the other ends. */
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { PublicKey } from "../../core/types.ts";
import type { LocalNode } from "../../peers/localNode.ts";
import type { Peer } from "../../peers/peer.ts";
import type { PeerStore } from "../../peers/store.ts";
import { type RelayContent, type RelayMessage, SESSION_BYTES } from "../../wire/relay.ts";
import type { Bridge } from "./plane.ts";

export interface RelayVoiceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: PeerStore;
  readonly self: LocalNode;
  /** Seals a message for that key, with a proof. */
  seal(to: PublicKey, message: RelayMessage): Uint8Array;
  /** Sends to the peer's control socket, through the tunnel where there is one; `again` tries another way. */
  tell(peer: Peer, data: Uint8Array, again: boolean): void;
}

export class RelayVoice {
  readonly #options: RelayVoiceOptions;
  /** Of the last echo that was sent in each session. */
  readonly #nonces = new Map<string, string>();

  constructor(options: RelayVoiceOptions) {
    this.#options = options;
  }

  say(to: PublicKey, content: RelayContent, again = false): void {
    const { seal, store, tell } = this.#options;
    const peer = store.get(to);
    if (peer !== undefined) tell(peer, seal(to, this.#message(content)), again);
  }

  /** Asks the other end through the bridge whether the session works. */
  ask(to: PublicKey, bridge: Bridge | undefined, session: string): void {
    const nonce = this.#options.random.bytes(SESSION_BYTES).toString("hex");
    this.#nonces.set(session, nonce);
    this.#echo(to, bridge, session, nonce, false);
  }

  answer(to: PublicKey, bridge: Bridge | undefined, session: string, nonce: string): void {
    this.#echo(to, bridge, session, nonce, true);
  }

  /** True when that was asked last in the session. */
  hasAsked(session: string, nonce: string): boolean {
    return this.#nonces.get(session) === nonce;
  }

  forget(session: string): void {
    this.#nonces.delete(session);
  }

  #echo(to: PublicKey, bridge: Bridge | undefined, session: string, nonce: string, answer: boolean): void {
    bridge?.send(this.#options.seal(to, this.#message({ type: "RELAY_ECHO", session, nonce, answer })));
  }

  #message(content: RelayContent): RelayMessage {
    const { self, clock } = this.#options;
    const timestampSeconds = Math.floor(clock.wallMs() / 1000);
    return { ...content, from: self.snapshot.publicKey, timestampSeconds };
  }
}
