/**
 * What carries announcements by stem and fluff, as discovery sees it: made outside (src/privacy), put in by the composition root.
 */
import type { Endpoint } from "../core/types.ts";
import type { DiscoveryContext, LayerStatus } from "./seams.ts";
import type { SignalReaders } from "./signals.ts";

export interface SpreadLayer {
  readers(): SignalReaders;
  tasks(): { readonly name: string; readonly body: (signal: AbortSignal) => Promise<void> }[];
  status(): LayerStatus;
}

export interface Spreading {
  /** `--privacy`: no message of ours names a third node, and in-mesh gossip has nothing to say. */
  readonly isPrivate: boolean;
  /** `send` takes mesh addresses, which are nobody's endpoint elsewhere. */
  open(context: DiscoveryContext, send: (data: Uint8Array, to: Endpoint) => void): SpreadLayer;
}
