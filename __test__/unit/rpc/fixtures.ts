import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { ShownSetting } from "../../../src/config/shown.ts";
import type { AuditEntry } from "../../../src/core/audit.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { KeptEvent } from "../../../src/core/events.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { LogLine } from "../../../src/core/logLine.ts";
import type { Finding, NetReport } from "../../../src/core/netReport.ts";
import type { Cidr, IpAddress, PublicKey } from "../../../src/core/types.ts";
import type { DaemonStatus, DaemonView, PeerView } from "../../../src/rpc/daemonView.ts";
import type { MethodContext } from "../../../src/rpc/methods/method.ts";
import { DaemonRpcServer, type RpcServerOptions } from "../../../src/rpc/server.ts";
import type { ClientView, GatewayView } from "../../../src/rpc/views/clients.ts";

/** 2026-01-01T00:00:00Z, the instant of the vectors. */
const newYearMs = 1_767_225_600_000;

const silentPeer: PeerView = {
  publicKey: "mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k=" as PublicKey,
  hostname: "",
  meshIp: "10.1.1.2" as IpAddress,
  meshIpv6: null,
  endpoint: null,
  endpointMethod: "cache",
  endpointAtMs: 0,
  controlEndpoint: null,
  methods: [],
  introducer: false,
  relays: false,
  exitNode: false,
  networks: [],
  candidates: [],
  natType: "",
  instance: "",
  firstSeenMs: newYearMs,
  lastSeenMs: newYearMs,
  lastHandshakeMs: 0,
  knowsUs: false,
  proven: false,
  state: "known",
  path: { kind: "direct", endpoint: null },
  rxBytes: 0,
  txBytes: 0,
  latencyMs: null,
  health: null,
};

const knownPeer: PeerView = {
  ...silentPeer,
  publicKey: "42bZrfQyvO3RRyhGMazdDhDijZ1O4Luu/1r354JJAiw=" as PublicKey,
  hostname: "h1",
  meshIp: "10.1.1.1" as IpAddress,
  meshIpv6: "fd00::1" as IpAddress,
  endpoint: { host: "203.0.113.5", port: 51820 },
  methods: ["dht", "gossip"],
  networks: ["192.168.5.0/24" as Cidr],
  lastHandshakeMs: newYearMs + 5000,
  state: "connected",
  rxBytes: 1024,
  txBytes: 2048,
  latencyMs: 12.4,
  health: "healthy",
};

const deadPeer: PeerView = {
  ...silentPeer,
  publicKey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" as PublicKey,
};

/** The node of the `rpc` vectors: two active peers, one dead. */
const vectorStatus: DaemonStatus = {
  state: "running",
  pid: 4711,
  version: "dev",
  uptimeMs: 90_000,
  interfaceName: "wg0",
  interfaceIndex: 7,
  backend: "embedded",
  meshIp: "10.1.1.9",
  meshIpv6: "fd00::9",
  publicKey: "trGqaVpmEY0wqYS6NJVo4MiUMoNOIjMHMDYIUOBQ8uM=",
  hostname: "node",
  listenPort: 51820,
  endpoint: "0.0.0.0:51820",
  natType: "unknown",
  networkId: "00112233445566778899aabbccddeeff00112233",
  advertisedNetworks: ["192.168.9.0/24"],
  peers: { total: 3, active: 2, connected: 1 },
  memoryBytes: 50_000_000,
  openFiles: 21,
  lastReconcile: { atMs: newYearMs, durationMs: 1.5, changes: 2, error: null },
  failing: [{ object: "route 10.0.0.0/8", reason: "EEXIST", sinceMs: newYearMs }],
  layers: [{ name: "lan", state: "running", detail: "1 link", lastError: null }],
  counters: { "received.sealed": 3 },
  tasks: [{ name: "lan", policy: "restart", state: "running", restarts: 0, lastError: null, sinceMs: 12 }],
  warnings: [],
  mtu: 1420,
  health: { healthy: 1, suspect: 1, reconnecting: 0, evicted: 0, cooling: 0 },
  exitNode: { wanted: "gateway", publicKey: null, reason: "is not known now", only: true },
  clients: { count: 2, connected: 1 },
  limits: { peers: 1000, memoryBytes: 268_435_456 },
};

export const vectorEvents: readonly KeptEvent[] = [
  { id: 1, atMs: newYearMs, type: "node.ready", data: { version: "dev", duration_ms: 12 } },
  {
    id: 2,
    atMs: newYearMs + 1_500,
    type: "peer.connected",
    peer: knownPeer.publicKey,
    hostname: "h1",
    data: {},
  },
];

export const vectorLogLine: LogLine = {
  level: "warn",
  time: "2026-01-01T00:00:00.000Z",
  module: "mesh",
  msg: "reconcile failed",
};

const vectorAuditEntry: AuditEntry = {
  time: "2026-01-01T00:00:00.000Z",
  actor: { kind: "process", uid: 0, user: "root", login: "ann", pid: 12 },
  action: "daemon.reload",
  params: {},
  outcome: "ok",
};

const phone: ClientView = {
  name: "phone",
  publicKey: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=" as PublicKey,
  ip: "10.200.7.2" as IpAddress,
  ipv6: "fd77::2" as IpAddress,
  addedMs: newYearMs,
  lastHandshakeMs: newYearMs + 5000,
  endpoint: { host: "198.51.100.7", port: 40000 },
  rxBytes: 10,
  txBytes: 20,
};

export const vectorGateway: GatewayView = {
  publicKey: vectorStatus.publicKey as PublicKey,
  reachedAt: { endpoint: { host: "203.0.113.9", port: 51820 }, source: "public" },
  mtu: 1420,
  networks: ["10.1.0.0/16", "fd00::/64", "10.200.7.0/24", "fd77::/64"] as Cidr[],
  exitNode: false,
};

const yes: Finding = { state: "yes", detail: "seen" };

export const vectorNetReport: NetReport = {
  nat_type: "cone",
  sockets: [
    { socket: "control", family: "ipv4", mapped: "203.0.113.9:7", mapping: "independent", filtering: "port" },
  ],
  servers: [{ server: "stun.example:3478", address: "198.51.100.1:3478", after_ms: 12.5, error: null }],
  daemon: true,
  ...{ ipv4: yes, ipv6: yes, dht: yes, multicast: yes },
  mtu: 1500,
  gateway: "192.168.1.1",
  port_mapping: { pcp: yes, nat_pmp: yes, upnp: yes },
};

const vectorSetting: ShownSetting = {
  key: "mtu",
  table: "interface",
  value: 1400,
  origin: "file",
  from: "/etc/wgmesh/wg0.toml:4",
  change: "restart",
  next: 1380,
};

export interface FakeView extends DaemonView {
  /** Names of the calls that change something, in order. */
  readonly calls: string[];
}

export function vectorView(change: Partial<DaemonView> = {}): FakeView {
  const calls: string[] = [];
  return {
    calls,
    status: () => vectorStatus,
    peers: () => [knownPeer, silentPeer, deadPeer],
    isActive: (peer) => peer !== deadPeer,
    departed: () => [],
    reload: async () => {
      calls.push("reload");
      return { changed: ["log-level"], warning: null, restart: [] };
    },
    ping: async (publicKey) => {
      const peer = [knownPeer, silentPeer, deadPeer].find((candidate) => candidate.publicKey === publicKey);
      if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${publicKey}`);
      return { peer, rttMs: peer.latencyMs, address: peer.latencyMs === null ? null : peer.meshIp };
    },
    clients: () => [phone],
    clientNetworks: () => ({ ipv4: "10.200.7.0/24" as Cidr, ipv6: "fd77::/64" as Cidr }),
    clientGateway: () => vectorGateway,
    addClient: async (name, publicKey) => {
      calls.push(`add client ${name} ${publicKey}`);
      return { ...phone, name, publicKey };
    },
    removeClient: async (name) => {
      calls.push(`remove client ${name}`);
      return { ...phone, name };
    },
    netCheck: async () => vectorNetReport,
    ports: () => ({
      wireguardPort: 51_820,
      meshes: [{ gossipPort: 52_011, probePort: 54_011, multicastGroup: "239.192.7.9" }],
    }),
    rotation: () => ({
      phase: "accepted",
      commitment: "26eb4c4a3efa6b0f",
      startedAtMs: newYearMs,
      endsAtMs: newYearMs + 86_400_000,
      offers: [{ commitment: "6b772e6c2298f799", endsAtMs: newYearMs }],
      peers: [{ publicKey: knownPeer.publicKey, hostname: "node-b", has: true, connected: true }],
    }),
    takeSecret: async (graceSeconds) => {
      calls.push(`take ${graceSeconds}`);
    },
    completeRotation: async () => {
      calls.push("complete");
    },
    abortRotation: async () => {
      calls.push("abort");
    },
    configuration: () => ({
      file: "/etc/wgmesh/wg0.toml",
      keptFile: "/var/lib/wgmesh/wg0.settings.toml",
      settings: [vectorSetting],
    }),
    setConfig: async (changes, keep) => {
      calls.push(`set ${JSON.stringify(changes)} ${keep}`);
      return { changed: ["log-level=debug"], restart: ["mtu"], removed: [], warnings: [] };
    },
    unsetConfig: async (keys) => {
      calls.push(`unset ${keys.join()}`);
      return { changed: [], restart: [], removed: ["mtu"], warnings: ["nothing was kept"] };
    },
    health: () => ({ state: "ok", checks: [{ id: "interface", state: "ok", detail: "wg0 is up" }] }),
    metrics: () => ({ contentType: "text/plain", text: "wgmesh_known_peers 3\n" }),
    operations: () => [
      {
        id: 1,
        kind: "net.check",
        state: "running",
        progress: null,
        detail: "asking",
        startedAtMs: newYearMs,
        durationMs: 12,
        cancellable: true,
      },
    ],
    cancelOperation: (id) => {
      calls.push(`cancel ${id}`);
    },
    restart: () => {
      calls.push("restart");
      return () => calls.push("handover");
    },
    shutdown: () => {
      calls.push("shutdown");
    },
    events: () => [...vectorEvents],
    followEvents: () => () => {},
    logLines: () => [vectorLogLine],
    followLog: () => () => {},
    auditEntries: () => Promise.resolve({ entries: [vectorAuditEntry], more: false }),
    reconcileNow: async () => {
      calls.push("reconcile");
      return { durationMs: 1.5, changes: 2, error: null, failing: [...vectorStatus.failing] };
    },
    queues: () => ({ contacts: 2 }),
    dumpState: () => ({}),
    profile: async () => "{}",
    ...change,
  };
}

/** Params that every method can be called with: a known peer, and what some cannot do without. */
export const anyParams = {
  pubkey: knownPeer.publicKey,
  settings: {},
  keys: [],
  id: 1,
  kind: "cpu",
  name: "phone",
  public_key: phone.publicKey,
} as const;

/** The context of a call by root. */
export function methodContext(view: DaemonView): MethodContext {
  return {
    view,
    version: "dev",
    caller: { kind: "socket", pid: 1, uid: 0, gid: 0, role: "admin" },
    signal: new AbortController().signal,
    afterAnswer: () => {},
    notify: () => {},
  };
}

/** A folder of its own, gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-rpc-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface RunningServer {
  readonly socketPath: string;
  readonly server: DaemonRpcServer;
}

/** A server on a real Unix socket, stopped after the test. */
export async function startServer(
  view: DaemonView,
  change: Partial<RpcServerOptions> = {},
): Promise<RunningServer> {
  const socketPath = change.socketPath ?? path.join(temporaryFolder(), "wg0.sock");
  const server = new DaemonRpcServer({
    socketPath,
    goPath: null,
    tryLock: () => ({ release() {} }),
    credentialsOf: () => ({ pid: process.pid, uid: 0, gid: 0 }),
    ownUid: 0,
    version: "dev",
    clock: systemClock,
    log: silentLog,
    ...change,
  });
  await server.start(view);
  onTestFinished(() => server.stop(100));
  return { socketPath, server };
}

/** A raw connection: what was sent back, line by line, and whether the other side closed. */
export class RawClient {
  readonly socket: net.Socket;
  readonly lines: string[] = [];
  readonly ended: Promise<void>;
  #rest = "";
  #wake = (): void => {};

  constructor(socketPath: string) {
    this.socket = net.connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => {
      const parts = (this.#rest + chunk.toString()).split("\n");
      this.#rest = parts.pop() ?? "";
      this.lines.push(...parts);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      this.socket.once("end", resolve);
      this.socket.once("close", () => resolve());
    });
    onTestFinished(() => {
      this.socket.destroy();
    });
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** The answer lines once there are `count` of them. */
  async answers(count: number): Promise<string[]> {
    while (this.lines.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.lines;
  }
}
