/**
 * Messages of the control socket that a layer of its own acts on, such as those of the rendezvous and the relay. They pass the same
 * receive path as HELLO and the rest: limits, seal, fields, proof, replay.
 */
import type { Endpoint, PublicKey } from "../core/types.ts";
import type { JsonObject } from "../wire/json.ts";

/** How a message came in. */
export interface SignalAbout {
  readonly from: Endpoint;
  readonly sizeBytes: number;
  /** It carries its sender's proof, made for us. */
  readonly proven: boolean;
}

export type ReadSignal =
  | {
      readonly ok: true;
      /** Who speaks, by the message's own word; null when it does not say. */
      readonly sender: PublicKey | null;
      /** Called once when the message passed, never for one that came before. */
      act(about: SignalAbout): void;
    }
  /** The first field that broke its rule. */
  | { readonly ok: false; readonly field: string };

/** Checks all of a payload's fields; acts on nothing yet. */
export type SignalReader = (payload: JsonObject) => ReadSignal;

/** By message type. */
export type SignalReaders = ReadonlyMap<string, SignalReader>;
