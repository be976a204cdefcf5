/** The DHT of a node: the addon's engine behind the seam of discovery, and the file of its nodes. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { DaemonOptions } from "../config/options.ts";
import { dhtNodesPath } from "../config/paths.ts";
import { writeFileAtomic } from "../core/files.ts";
import { type Endpoint, parseEndpoint } from "../core/types.ts";
import { PUBLIC_BOOTSTRAP } from "../discovery/dht/bootstrap.ts";
import type { DhtOpener } from "../discovery/dht/engine.ts";
import type { DhtNodesStore } from "../discovery/dht/nodesFile.ts";
import type { DhtOptions } from "../discovery/dht/options.ts";
import { resolveByDns } from "../discovery/dnsResolver.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { hostSystem } from "./hostSystem.ts";
import { dhtNode } from "./os.ts";
import { systemWithMark } from "./underlayMark.ts";

/** Stands for the Internet in a look-up of routes: a root name server, whose address stays. Nothing is sent there. */
const INTERNET = "198.41.0.4";
/** As the Go peer has it: its group may read which nodes of the DHT there are. */
const NODES_MODE = 0o640;
/** Far more than the records that are used. */
const MAX_NODES_BYTES = 64 * 1024;

/** @param networkId hex; part of the file's name. */
export function dhtOptions(options: DaemonOptions, secret: MeshSecret, networkId: string): DhtOptions {
  const system = systemWithMark(hostSystem, options.fwmark);
  return {
    open: engineWith(options),
    port: options.dhtPort,
    infoHash: (hour) => secret.infohash(hour),
    bootstrap: options.dhtBootstrap.length > 0 ? options.dhtBootstrap : PUBLIC_BOOTSTRAP,
    resolve: (name, signal) => resolveByDns(name, { families: [4], signal }),
    hasRoute: (hosts) => (hosts.length > 0 ? hosts : [INTERNET]).some((host) => system.pathTo(host) !== null),
    nodes: nodesFile(dhtNodesPath(options, networkId)),
  };
}

const engineWith =
  ({ fwmark, listenAddresses }: DaemonOptions): DhtOpener =>
  ({ port, bootstrap, requestTimeoutMs }) => {
    const literals = bootstrap.map((node) => `${node.host}:${node.port}`);
    const address = listenAddresses.find((one) => !one.includes(":")) ?? "0.0.0.0";
    const node = dhtNode({ address, port, fwmark, bootstrap: literals, requestTimeoutMs });
    return {
      lookup: (infoHash, onPeers) => node.lookup(infoHash, (peers) => onPeers(endpoints(peers))),
      announce: (infoHash, announced) => node.announce(infoHash, announced),
      nodes: () => node.nodes(),
      status: async () => {
        const { nodes, publicAddress } = await node.status();
        return { nodes, publicAddress: publicAddress === null ? null : parseEndpoint(publicAddress) };
      },
      close: () => node.close(),
    };
  };

function endpoints(texts: readonly string[]): Endpoint[] {
  return texts.map(parseEndpoint).filter((endpoint) => endpoint !== null);
}

function nodesFile(path: string): DhtNodesStore {
  return {
    read: () => readAtMost(path, MAX_NODES_BYTES),
    write: (records) => writeFileAtomic(path, records, NODES_MODE),
  };
}

/** The beginning of a file; empty when there is none. */
async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Uint8Array();
    throw error;
  }
}
