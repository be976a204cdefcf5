import { EventEmitter } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type DaemonOptions, daemonOptions } from "../../../src/config/options.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { noTroubles, type Troubles } from "../../../src/core/troubles.ts";
import type { PublicKey } from "../../../src/core/types.ts";
import { type GuardedLink, InterfaceGuard } from "../../../src/daemon/interfaceGuard.ts";
import type { ConfigurationSource } from "../../../src/daemon/liveConfiguration.ts";
import { MachineWatch } from "../../../src/daemon/machineWatch.ts";
import { MemoryWatch } from "../../../src/daemon/memoryWatch.ts";
import { MeshNode } from "../../../src/daemon/meshNode.ts";
import type { Identity, NodeParts } from "../../../src/daemon/parts.ts";
import type { Managed } from "../../../src/daemon/serviceManager.ts";
import { Signals } from "../../../src/daemon/signals.ts";
import type { System } from "../../../src/daemon/system.ts";
import type { Discovery, DiscoveryContext } from "../../../src/discovery/seams.ts";
import { AuditLog } from "../../../src/observe/auditLog.ts";
import { EventLog } from "../../../src/observe/events.ts";
import { LogRing } from "../../../src/observe/logRing.ts";
import { MetricsRegistry } from "../../../src/observe/metrics.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import type { DaemonView, RpcServer } from "../../../src/rpc/daemonView.ts";
import type { Backend } from "../../../src/wireguard/backend.ts";
import type { MemoryBackend, MemoryBackendOptions } from "../../../src/wireguard/memoryBackend.ts";
import { FakeInterface } from "../mesh/fakeInterface.ts";
import { FakeRoutes } from "../mesh/fakeRoutes.ts";
import { FakeSettings } from "../mesh/fakeSettings.ts";
import { keyOf } from "../mesh/peers.ts";
import { testDerivation } from "../support/derivation.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { OrderedLocks } from "../support/orderedLocks.ts";
import { testProver } from "../support/prover.ts";

/** No bound for the memory. */
export function boundless(troubles: Troubles): MemoryWatch {
  return new MemoryWatch({ troubles, limit: null, used: () => 1, collect: () => {} });
}

/** A host: what several nodes share, or do not. */
export class FakeHost {
  readonly folder: string;
  readonly names = new Map<string, number>();
  readonly lockedFiles: Set<string>;

  /** @param other a host whose disk this one shares, as two network namespaces of one machine do. */
  constructor(other?: FakeHost) {
    this.folder = other?.folder ?? mkdtempSync(join(tmpdir(), "wgmesh-node-"));
    this.lockedFiles = other?.lockedFiles ?? new Set();
  }

  get stateDir(): string {
    return join(this.folder, "state");
  }

  get runDir(): string {
    return join(this.folder, "run");
  }

  /** Every file below the two folders. */
  files(): string[] {
    return [this.stateDir, this.runDir].flatMap((folder) =>
      existsSync(folder) ? readdirSync(folder).sort() : [],
    );
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface FakeNodeOptions {
  readonly options?: Partial<DaemonOptions>;
  readonly backend?: Partial<MemoryBackendOptions>;
  readonly pid?: number;
  readonly managed?: Managed;
  /** PID of a child process that a killed daemon left. */
  readonly leftoverChild?: number;
  readonly pinned?: Pick<Identity, "meshIp" | "meshIpv6">;
  readonly withDiscovery?: boolean;
  readonly withRpc?: boolean;
  /** Where a reload and a successor read from. */
  readonly configuration?: ConfigurationSource;
  /** Of the node before, which left its interface to this one. */
  readonly guard?: GuardedLink;
  /** Called with the name of everything the node does; what it throws is what the operation fails with. */
  readonly on?: (event: string) => void;
}

/** A whole node without a kernel: its files are real, everything else is in memory. */
export class FakeNode {
  readonly events: string[] = [];
  readonly notified: string[] = [];
  readonly log = new MemoryLog();
  /** What operators are told. */
  readonly happened = new EventLog({ clock: systemClock });
  readonly source = new EventEmitter();
  readonly settings = new FakeSettings();
  readonly routes = new FakeRoutes();
  readonly link: FakeInterface;
  readonly node: MeshNode;
  readonly publicKey: PublicKey = keyOf(1);
  readonly levels: string[] = [];
  /** What netlink tells. */
  networkChanged = (): void => {};
  context: DiscoveryContext | null = null;
  view: DaemonView | null = null;

  readonly #host: FakeHost;
  readonly #options: FakeNodeOptions;

  constructor(host: FakeHost, options: FakeNodeOptions = {}) {
    this.#host = host;
    this.#options = options;
    this.link = new FakeInterface({ publicKey: this.publicKey, ...options.backend });
    this.node = new MeshNode(this.#parts());
    if (options.withDiscovery !== false) this.node.setDiscovery(this.#discovery());
    if (options.withRpc !== false) this.node.setRpcServer(this.#rpcServer());
  }

  /** Of the interface that is there, or was last. */
  get backend(): MemoryBackend {
    return this.link.backend;
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP"): void {
    this.source.emit(name);
  }

  did(event: string): void {
    this.events.push(event);
    this.#options.on?.(event);
  }

  #parts(): NodeParts {
    const defaults = Object.fromEntries(
      Object.entries(daemonOptions).map(([key, row]) => [key, row.default]),
    );
    const { stateDir, runDir } = this.#host;
    const { configuration } = this.#options;
    const troubles = new TroubleRegistry(systemClock, this.log);
    const system = this.#system();
    return {
      options: { ...(defaults as unknown as DaemonOptions), stateDir, runDir, ...this.#options.options },
      ...(configuration === undefined ? {} : { configuration }),
      version: "1.2.3",
      clock: systemClock,
      random: systemRandom,
      log: this.log,
      metrics: new MetricsRegistry(),
      events: this.happened,
      audit: new AuditLog({
        path: join(stateDir, "wg0.audit.jsonl"),
        clock: systemClock,
        troubles: noTroubles,
      }),
      logRing: new LogRing(),
      troubles,
      machine: new MachineWatch({
        clock: systemClock,
        troubles,
        stateDir,
        memory: boundless(troubles),
        retryFiles: () => {},
      }),
      setLogLevel: (level) => this.levels.push(level),
      setLogLimits: ({ logMaxSize, logKeep }) => this.did(`log files ${logMaxSize} ${logKeep}`),
      system,
      guard: new InterfaceGuard(system.linkGuards, this.log, this.#options.guard ?? null),
      ...(this.#options.guard === undefined ? {} : { handover: true }),
      signals: new Signals(this.source),
      mesh: { networkId: "ab".repeat(20), gossipPort: 51_900, probePort: 0, multicastGroup: "239.192.1.2" },
      addresses: testDerivation,
      sealer: { seal: () => Buffer.alloc(0), open: () => null },
      loadIdentity: () => this.#identity(),
      openRelayPlane: () => null,
      openManySockets: () => null,
      openBackend: async () => {
        this.did("open interface");
        const backend = await this.link.open();
        this.#observe(backend);
        return backend;
      },
      ...(this.#options.managed === undefined ? {} : { managed: this.#options.managed }),
      timing: { rpcStopMs: 200, drainMs: 500, goodbyeMs: 200 },
    };
  }

  #identity(): Identity {
    this.did("load identity");
    return {
      created: true,
      publicKey: this.publicKey,
      meshIp: null,
      meshIpv6: null,
      prover: testProver(this.publicKey),
      ...this.#options.pinned,
      save: (meshIp, meshIpv6) => this.did(`save ${meshIp} ${meshIpv6}`),
    };
  }

  #system(): System {
    const { pid = 4242 } = this.#options;
    const { names, lockedFiles } = this.#host;
    return {
      pid,
      locks: new OrderedLocks(
        {
          acquireName: (name) => {
            const holder = names.get(name);
            if (holder !== undefined) return holder;
            names.set(name, pid);
            return { release: () => void names.delete(name) };
          },
          acquireFile: (path) => {
            if (lockedFiles.has(path)) return null;
            lockedFiles.add(path);
            return { release: () => void lockedFiles.delete(path) };
          },
        },
        (path) => (path.startsWith(this.#host.runDir) ? "run files" : "state files"),
      ),
      host: {
        links: () => [],
        addresses: () => [],
        watch: (onChange) => {
          this.networkChanged = onChange;
          return { close: () => this.did("unwatch") };
        },
      },
      networkSettings: this.settings,
      hostname: () => "höst",
      linkGuards: {
        start: (index) => {
          this.did(`guard link ${index}`);
          return { fd: index, pid: 1 };
        },
        end: ({ fd }, keepLink) =>
          this.did(`guard of link ${fd} ends, link ${keepLink ? "kept" : "removed"}`),
      },
      interfaceControl: () => this.link,
      pathTo: () => null,
      addAddress: (_, cidr) => {
        this.did(`address ${cidr}`);
        const [address = "", prefixLength] = cidr.split("/");
        this.link.addAddress({ address, prefixLength: Number(prefixLength) });
      },
      routes: () => [],
      routeTable: () => this.routes,
      endLeftoverChild: (path) => {
        this.did(`end-leftover ${basename(path)}`);
        return this.#options.leftoverChild ?? null;
      },
      notify: (state) => this.notified.push(state),
      setNonDumpable: () => this.did("non-dumpable"),
      bootMs: () => performance.now(),
      sentBytes: () => null,
      cpuMs: () => 0,
      memoryBytes: () => 1,
      openFiles: () => 2,
    };
  }

  #observe(backend: Backend): void {
    const { reset, configure, up, close } = backend;
    backend.reset = async () => {
      this.did("reset");
      await reset.call(backend);
    };
    backend.configure = (port) => {
      this.did("configure");
      configure.call(backend, port);
    };
    backend.up = () => {
      this.did("up");
      up.call(backend);
    };
    backend.close = (remove) => {
      close.call(backend, remove);
      this.did(remove ? "delete interface" : "leave interface");
    };
  }

  #discovery(): Discovery {
    return {
      start: async (context) => {
        this.did("discovery start");
        this.context = context;
        context.scope.start("fake", "critical", async (signal) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          this.did("discovery task cancelled");
        });
      },
      announce: () => this.did("announce"),
      goodbye: async () => this.did("goodbye"),
      stop: async () => this.did("discovery stop"),
      doubt: () => this.did("doubt"),
      tune: (tuning) => this.did(`tune ${JSON.stringify(tuning)}`),
      setStaticPeers: (peers) => this.did(`peers ${peers.map(({ host }) => host).join()}`),
      clockProblem: () => null,
      layers: () => [],
      examine: async () => null,
      counters: () => ({ received: 3 }),
      queues: () => ({ contacts: 2 }),
    };
  }

  #rpcServer(): RpcServer {
    return {
      start: async (view) => {
        this.did("rpc start");
        this.view = view;
      },
      prepareReload: async () => () => [],
      stop: async () => this.did("rpc stop"),
    };
  }
}
