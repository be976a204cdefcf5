/**
 * What the RPC server may ask of the node.
 */
import { WgmeshError } from "../core/errors.ts";
import type { NetReport } from "../core/netReport.ts";
import { endpointText, type PublicKey } from "../core/types.ts";
import { nodeAsk } from "../discovery/netcheck/nodeAsk.ts";
import type { Discovery } from "../discovery/seams.ts";
import { isConnected } from "../peers/connected.ts";
import { ownEndpoint } from "../peers/localNode.ts";
import type { Peer } from "../peers/peer.ts";
import type { DaemonStatus, DaemonView, PeerView, PingOutcome } from "../rpc/daemonView.ts";
import type { RunningNode } from "./lifecycle.ts";
import { netCheck } from "./netCheck.ts";
import type { NodeParts } from "./parts.ts";
import type { ReloadOutcome } from "./reloader.ts";
import type { Supervisor } from "./supervisor.ts";

export interface NodeViewOptions {
  readonly parts: NodeParts;
  readonly node: RunningNode;
  readonly discovery: Discovery | null;
  readonly supervisor: Supervisor;
  /** Monotonic time of the start, in milliseconds. */
  readonly startedAtMs: number;
  readonly reload: () => Promise<ReloadOutcome>;
}

export class NodeView implements DaemonView {
  readonly #options: NodeViewOptions;
  #netCheck: Promise<NetReport> | null = null;

  constructor(options: NodeViewOptions) {
    this.#options = options;
  }

  status(): DaemonStatus {
    const { parts, node, discovery, supervisor, startedAtMs } = this.#options;
    const { options, system, clock, mesh, signals } = parts;
    const own = node.self.snapshot;
    const peers = this.peers();
    return {
      state: signals.stopSignal.aborted ? "stopping" : "running",
      pid: system.pid,
      version: parts.version,
      uptimeMs: clock.monotonicMs() - startedAtMs,
      interfaceName: options.interfaceName,
      interfaceIndex: node.backend.interfaceIndex,
      backend: node.backend.name,
      meshIp: own.meshIp,
      meshIpv6: own.meshIpv6,
      publicKey: own.publicKey,
      hostname: own.hostname,
      listenPort: own.wireguardPort,
      endpoint: endpointText(ownEndpoint(own)),
      natType: own.natType,
      networkId: mesh.networkId,
      advertisedNetworks: own.networks,
      peers: {
        total: peers.length,
        active: peers.filter((peer) => this.isActive(peer)).length,
        connected: peers.filter((peer) => peer.state === "connected").length,
      },
      memoryBytes: system.memoryBytes(),
      openFiles: system.openFiles(),
      lastReconcile: node.reconciler.lastReport(),
      failing: node.reconciler.failing(),
      layers: discovery?.layers() ?? [],
      counters: discovery?.counters() ?? {},
      tasks: supervisor.statuses(),
      warnings: this.#warnings(),
      mtu: node.reconciler.mtu(),
    };
  }

  peers(): PeerView[] {
    return this.#options.node.store.list().map((peer) => this.#peerView(peer));
  }

  isActive(peer: PeerView): boolean {
    return this.#options.node.store.isActive(peer);
  }

  async ping(publicKey: PublicKey): Promise<PingOutcome> {
    const answer = await this.#options.node.pinger.ping(publicKey);
    const peer = this.#options.node.store.get(publicKey);
    if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `the peer has left: ${publicKey}`);
    return {
      peer: this.#peerView(peer),
      rttMs: answer?.milliseconds ?? null,
      address: answer?.address ?? null,
    };
  }

  /** One at a time: who asks meanwhile gets the same answer. */
  netCheck(): Promise<NetReport> {
    const { parts, node, discovery } = this.#options;
    this.#netCheck ??= netCheck({
      system: parts.system,
      ask: nodeAsk(parts.clock),
      examine: async () => (await discovery?.examine()) ?? { nat_type: "unknown", sockets: [], servers: [] },
      node: { layers: () => discovery?.layers() ?? [], peers: () => node.store.list() },
    }).finally(() => {
      this.#netCheck = null;
    });
    return this.#netCheck;
  }

  reload(): Promise<ReloadOutcome> {
    return this.#options.reload();
  }

  shutdown(): void {
    this.#options.parts.signals.stop();
  }

  #peerView(peer: Peer): PeerView {
    const actual = this.#options.node.reconciler.actual(peer.publicKey);
    const lastHandshakeMs = Math.max(peer.lastHandshakeMs, actual?.lastHandshakeMs ?? 0);
    const connected = isConnected(lastHandshakeMs, this.#options.parts.clock.wallMs());
    return {
      ...peer,
      lastHandshakeMs,
      // Where WireGuard really sends to: it follows a peer that roams.
      endpoint: actual?.endpoint ?? peer.endpoint,
      state: connected ? "connected" : lastHandshakeMs > 0 ? "idle" : "known",
      path: this.#options.node.paths.get(peer.publicKey),
      rxBytes: actual?.rxBytes ?? 0,
      txBytes: actual?.txBytes ?? 0,
      latencyMs: this.#options.node.pinger.latencyMs(peer.publicKey),
    };
  }

  #warnings(): string[] {
    const { parts, node } = this.#options;
    const { listenPort } = parts.options;
    const warnings = node.reconciler
      .refusedNetworks()
      .map(
        ({ network, publicKey, reason }) =>
          `network ${network} of peer ${publicKey} is not routed: ${reason}`,
      );
    const bound = node.self.snapshot.wireguardPort;
    if (listenPort !== null && listenPort !== bound) {
      warnings.push(`UDP port ${listenPort} was in use: WireGuard listens on ${bound}`);
    }
    for (const [publicKey, path] of node.paths.entries()) {
      if (path.kind === "impossible") warnings.push(`no path to peer ${publicKey}: ${path.reason}`);
    }
    return [...warnings, ...node.reconciler.warnings()];
  }
}
