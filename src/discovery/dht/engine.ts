import type { Endpoint } from "../../core/types.ts";

/** What is known of a running engine. */
export interface DhtEngineStatus {
  /** Nodes that have answered and are not stale. */
  readonly nodes: number;
  /** Our own address and port as other nodes see them; null until some told. */
  readonly publicAddress: Endpoint | null;
}

/**
 * A node of the DHT (BEP 5), as discovery sees it. Promises that are pending when it is closed reject; an engine that failed
 * rejects everything, and is replaced.
 */
export interface DhtEngine {
  /**
   * Asks the nodes nearest to the id who has announced itself there. `onPeers` gets the answer of each node by itself, as they
   * come in, unfiltered: nodes may say what they like. Resolves when nobody nearer is left to ask.
   *
   * @param infoHash 40 hex digits.
   */
  lookup(infoHash: string, onPeers: (peers: readonly Endpoint[]) => void): Promise<void>;
  /** Announces this host with that port; resolves when a node has stored it, rejects when none did. */
  announce(infoHash: string, port: number): Promise<void>;
  /** The nodes worth knowing again, as the records of nodesFile.ts. Asks the network. */
  nodes(): Promise<Uint8Array>;
  status(): Promise<DhtEngineStatus>;
  /** Closes the socket and joins the threads. */
  close(): Promise<void>;
}

/** Opens an engine; throws when the port cannot be bound. `port` 0 takes any. `bootstrap`: IPv4, at least one. */
export type DhtOpener = (options: {
  readonly port: number;
  readonly bootstrap: readonly Endpoint[];
  /** How long one node may take to answer; a look-up waits that long for dead ones. */
  readonly requestTimeoutMs: number;
}) => DhtEngine;
