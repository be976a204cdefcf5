/**
 * A mesh without faults, from its start until it rests: how long it takes to be one, and what each node sends when it is.
 */
import { seededRandom } from "../unit/support/seededRandom.ts";
import { Agreement } from "./agreement.ts";
import { SimDht } from "./world/dht.ts";
import { EventQueue } from "./world/eventQueue.ts";
import { meshAddresses } from "./world/identities.ts";
import { Network, noTraffic } from "./world/network.ts";
import { type Observer, SimNode } from "./world/node.ts";
import { Trace } from "./world/trace.ts";

const LOOK_MS = 100;
const GIVE_UP_MS = 10 * 60_000;
/** LAN discovery announces often for a minute. */
const CALMS_MS = 120_000;
const MEASURED_MS = 120_000;
const LAN_NODES = 50;

export interface Formation {
  /** Virtual, from the start of all nodes at once. */
  readonly convergedMs: number;
  /** Of one node in a minute, the mean over all: discovery, then WireGuard's handshakes and keepalives. */
  readonly datagrams: number;
  readonly bytes: number;
  readonly tunnelDatagrams: number;
  /** Instants at which its timers called back. */
  readonly wakes: number;
}

/** LANs of fifty nodes with multicast, joined by the DHT; nothing is lost. Rejects when they do not become one mesh. */
export async function formMesh(count: number, seed: number): Promise<Formation> {
  const random = (name: string) => seededRandom(`${name}, formation ${seed}`);
  const queue = new EventQueue();
  const network = new Network(queue, random("network"), new Trace());
  const dht = new SimDht(queue, random("dht"));
  let failure: unknown = null;
  const observer: Observer = {
    started: () => {},
    applied: () => {},
    shookHands: () => {},
    failed: (_node, error) => {
      failure ??= error;
    },
  };
  const reconcile = { coalesceMs: 200, firstLookMs: 1_000, sweepMs: 15_000 };
  const world = { queue, network, dht, random, reconcile, addresses: meshAddresses(), faults: {} };
  const nodes = Array.from({ length: count }, (_, index) => {
    const lan = Math.floor(index / LAN_NODES);
    const host = network.addHost(index, `44.${lan >> 8}.${lan & 255}.${1 + (index % LAN_NODES)}`);
    const discovery = { lan: true, dht: count > LAN_NODES, staticPeers: [] };
    return new SimNode(world, observer, index, host, { networks: [], discovery });
  });
  const agreement = new Agreement(nodes, () => true);
  for (const node of nodes) node.start();
  for (;;) {
    await queue.advance(LOOK_MS);
    const lacks = agreement.lacks();
    if (lacks === null) break;
    if (failure !== null || queue.nowMs > GIVE_UP_MS)
      throw new Error(`no mesh after ${queue.nowMs} ms: ${lacks}`, { cause: failure });
  }
  const convergedMs = queue.nowMs;
  await queue.advance(CALMS_MS);
  for (const { host } of nodes) host.traffic = noTraffic();
  const wakes = (): number => nodes.reduce((sum, { run }) => sum + (run?.clock.wakes ?? 0), 0);
  const wakesBefore = wakes();
  await queue.advance(MEASURED_MS);
  const mean = (of: "datagrams" | "bytes" | "tunnelDatagrams"): number =>
    nodes.reduce((sum, { host }) => sum + host.traffic[of], 0) / count / (MEASURED_MS / 60_000);
  const formation = {
    ...{ convergedMs, datagrams: mean("datagrams"), bytes: mean("bytes") },
    tunnelDatagrams: mean("tunnelDatagrams"),
    wakes: (wakes() - wakesBefore) / count / (MEASURED_MS / 60_000),
  };
  for (const node of nodes) node.crash();
  return formation;
}
