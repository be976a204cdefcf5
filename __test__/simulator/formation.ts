/**
 * A mesh without faults, from its start until it rests: how long it takes to be one, and what each node sends when it is.
 */
import { seededRandom } from "../unit/support/seededRandom.ts";
import { Agreement } from "./agreement.ts";
import { Views } from "./views.ts";
import { SimDht } from "./world/dht.ts";
import { EventQueue } from "./world/eventQueue.ts";
import { meshAddresses } from "./world/identities.ts";
import { Network, noTraffic } from "./world/network.ts";
import { type Observer, SimNode } from "./world/node.ts";
import { Trace } from "./world/trace.ts";

const LOOK_MS = 100;
const GIVE_UP_MS = 10 * 60_000;
/** LAN discovery announces often for a minute. */
const REST = { calmsMs: 120_000, measuredMs: 120_000 } as const;
/**
 * What is cheaper in larger meshes: they rest for just over that minute, and are measured for half of it in which each tunnel has its
 * keepalives and questions, but few their next handshake; a handshake every two minutes is a hundredth of what goes through a tunnel.
 */
const REST_OF_LARGE = { calmsMs: 65_000, measuredMs: 30_000 } as const;
const LARGE_NODES = 300;
const LAN_NODES = 50;
/** Cycles of the reconciler cost more than all else, so the interface is read seldom. */
const RECONCILE = { coalesceMs: 200, firstLookMs: 2_000, sweepMs: 15_000 };

export interface Formation {
  /** Virtual, from the start of all nodes at once. */
  readonly convergedMs: number;
  /** Of one node in a minute, the mean over all: discovery, then WireGuard's handshakes and keepalives. */
  readonly datagrams: number;
  readonly bytes: number;
  readonly tunnelDatagrams: number;
  /** Instants at which its timers called back. */
  readonly wakes: number;
  /** Of one node at the end, the mean over all: peers with which a session stands that both ends know. */
  readonly tunnels: number;
}

export interface FormationOptions {
  /** `--max-peers` of all nodes; without it everybody is to know everybody. */
  readonly maxPeers?: number | undefined;
  /** How long it rests before it is measured, and is measured, in virtual milliseconds; by its size unless told. */
  readonly rest?: { readonly calmsMs: number; readonly measuredMs: number };
  /** Told once a virtual second how far it is. */
  readonly tell?: (line: string) => void;
}

/**
 * LANs of fifty nodes with multicast, joined by the DHT; nothing is lost. Rejects when they do not become one mesh, which with views
 * smaller than the mesh is as {@link Views} has it.
 */
export async function formMesh(
  count: number,
  seed: number,
  { maxPeers, rest, tell = () => {} }: FormationOptions = {},
): Promise<Formation> {
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
  const world = {
    ...{ queue, network, dht, random, reconcile: RECONCILE, tellsHandshakes: true },
    ...{ addresses: meshAddresses(), faults: {} },
  };
  const nodes = Array.from({ length: count }, (_, index) => {
    const lan = Math.floor(index / LAN_NODES);
    const host = network.addHost(index, `44.${lan >> 8}.${lan & 255}.${1 + (index % LAN_NODES)}`);
    const discovery = { lan: true, dht: count > LAN_NODES, staticPeers: [] };
    return new SimNode(world, observer, index, host, { networks: [], discovery, maxPeers });
  });
  const isCapped = maxPeers !== undefined && maxPeers < count - 1;
  const views = new Views(nodes, maxPeers ?? count - 1);
  const agreement = isCapped ? views : new Agreement(nodes, () => true);
  for (const node of nodes) node.start();
  for (;;) {
    await queue.advance(LOOK_MS);
    const lacks = agreement.lacks();
    if (queue.nowMs % 1_000 === 0) tell(`${queue.nowMs} ms: ${lacks}`);
    if (lacks === null) break;
    if (failure !== null || queue.nowMs > GIVE_UP_MS)
      throw new Error(`no mesh after ${queue.nowMs} ms: ${lacks}`, { cause: failure });
  }
  const convergedMs = queue.nowMs;
  tell(`one mesh after ${convergedMs} ms`);
  const { calmsMs, measuredMs } = rest ?? (count < LARGE_NODES ? REST : REST_OF_LARGE);
  await pass(queue, calmsMs, tell);
  for (const { host } of nodes) host.traffic = noTraffic();
  const wakes = (): number => nodes.reduce((sum, { run }) => sum + (run?.clock.wakes ?? 0), 0);
  const wakesBefore = wakes();
  await pass(queue, measuredMs, tell);
  const perMinute = (sum: number): number => sum / count / (measuredMs / 60_000);
  const mean = (of: "datagrams" | "bytes" | "tunnelDatagrams"): number =>
    perMinute(nodes.reduce((sum, { host }) => sum + host.traffic[of], 0));
  const formation = {
    ...{ convergedMs, datagrams: mean("datagrams"), bytes: mean("bytes") },
    ...{ tunnelDatagrams: mean("tunnelDatagrams"), wakes: perMinute(wakes() - wakesBefore) },
    tunnels: nodes.reduce((sum, node) => sum + views.tunnels(node).length, 0) / count,
  };
  for (const node of nodes) node.crash();
  return formation;
}

async function pass(queue: EventQueue, ms: number, tell: (line: string) => void): Promise<void> {
  const untilMs = queue.nowMs + ms;
  while (queue.nowMs < untilMs) {
    await queue.advance(Math.min(1_000, untilMs - queue.nowMs));
    if (queue.nowMs % 10_000 < 1_000) tell(`${queue.nowMs} ms: at rest`);
  }
}
