/**
 * The composition root: the one place that knows every part by name and puts them together.
 */
import type { DaemonOptions } from "../config/options.ts";
import { auditPath, childRecordPath, rpcSocketPath, startingPath, stateFilePath } from "../config/paths.ts";
import { systemClock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { memoryCeiling } from "../core/memoryCeiling.ts";
import { systemRandom } from "../core/random.ts";
import { isColourless } from "../core/terminalKind.ts";
import { parsePublicKey } from "../core/types.ts";
import { version } from "../core/version.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { meshIdentity } from "../identity/meshIdentity.ts";
import {
  loadNodeIdentity,
  messageProver,
  type NodeIdentity,
  saveNodeIdentity,
} from "../identity/nodeIdentity.ts";
import { ProgressFile } from "../launch/progress.ts";
import { AuditLog } from "../observe/auditLog.ts";
import { EventLog } from "../observe/events.ts";
import { createLog } from "../observe/log.ts";
import { LogRing } from "../observe/logRing.ts";
import { MetricsRegistry } from "../observe/metrics.ts";
import { TroubleRegistry } from "../observe/troubles.ts";
import { goPathFor } from "../rpc/goPath.ts";
import { groupId } from "../rpc/groups.ts";
import { DaemonRpcServer, type RpcServerOptions } from "../rpc/server.ts";
import { manySockets } from "../wireguard/manySockets.ts";
import type { Keys } from "../wireguard/nativeBackend.ts";
import { relayPlane } from "../wireguard/relayPlane.ts";
import { openBackend } from "../wireguard/select.ts";
import { auditEntryOf } from "./auditTrail.ts";
import { collectGarbage } from "./collectGarbage.ts";
import { discoveryOf } from "./discoveryOf.ts";
import { hostSystem } from "./hostSystem.ts";
import { type GuardedLink, InterfaceGuard } from "./interfaceGuard.ts";
import type { ConfigurationSource } from "./liveConfiguration.ts";
import { openLogOutput } from "./logOutput.ts";
import { MachineWatch } from "./machineWatch.ts";
import { MemoryWatch } from "./memoryWatch.ts";
import { MeshNode } from "./meshNode.ts";
import * as os from "./os.ts";
import type { Identity, NodeParts } from "./parts.ts";
import { beginningOf, RotationFiles } from "./rotation/files.ts";
import { Meshes } from "./rotation/meshes.ts";
import { MovingDiscovery } from "./rotation/movingDiscovery.ts";
import { Rotation } from "./rotation/rotation.ts";
import { managedBy } from "./serviceManager.ts";
import { Signals } from "./signals.ts";
import { systemWithMark } from "./underlayMark.ts";

/** How a node is started. */
export interface Start {
  /** Sentences for the log, such as about how the secret came in (row B4). */
  readonly warnings?: readonly string[];
  /** Where the options come from; without it a reload has the reload file alone. */
  readonly configuration?: ConfigurationSource;
  /** After a daemon that left its place to this one ({@link Signals.handOver}). */
  readonly handover?: boolean;
  /** Of the interface that it left. */
  readonly guard?: GuardedLink | null;
}

/**
 * Puts a node together. Nothing of it runs before {@link MeshNode.open}, but signals are listened to from here on, that is
 * before the first log line. Throws ERR_LOG_FILE, ERR_LOG_TARGET.
 */
export function compose(
  options: DaemonOptions,
  secret: MeshSecret,
  { warnings = [], configuration, handover = false, guard = null }: Start,
): MeshNode {
  const signals = new Signals(process);
  const clock = systemClock;
  const output = openLogOutput(options, {
    onTrouble: (id, reason) => (reason === null ? troubles.clear(id) : troubles.raise(id, reason)),
    onLost: (lines) => log.warn({ lines }, "lines were not taken by the log service, and are lost to it"),
  });
  signals.onReopen(() => output.reopen());
  const managed = managedBy(process.env, process.pid);
  const logRing = new LogRing();
  const nodeLog = createLog({
    level: options.logLevel,
    format: output.takesJson ? "json" : options.logFormat,
    terminal: output.terminal,
    priorities: output.isJournal,
    noColour: isColourless(process.env),
    clock,
    write: output.write,
    keep: (line) => logRing.add(line),
  });
  const { log } = nodeLog;
  const troubles = new TroubleRegistry(clock, log);
  for (const warning of warnings) log.warn({}, warning);
  const rotationFiles = new RotationFiles(options);
  const beginning = beginningOf(secret, rotationFiles, clock.wallMs());
  const meshes = new Meshes(meshIdentity(beginning.secret, options.meshSubnet));
  const mesh = meshes.facts;
  const audit = new AuditLog({ path: auditPath(options), clock, troubles });
  const retryFiles = (): void => {
    audit.retry();
    output.retry();
  };
  const memory = new MemoryWatch({
    troubles,
    limit: options.memoryLimit,
    ceiling: memoryCeiling(),
    used: () => hostSystem.memoryBytes(),
    collect: collectGarbage,
  });
  memory.follow((isAbove) => logRing.setSmall(isAbove));
  const machine = new MachineWatch({ clock, troubles, stateDir: options.stateDir, memory, retryFiles });

  // ---- above: reads configuration; below: touches the system, once the node is opened ----

  let keys: NodeIdentity | null = null;
  const discovery = new MovingDiscovery((of, part) => discoveryOf(options, of, part), meshes.current);
  const underlay = { fwmark: options.fwmark, addresses: options.listenAddresses };
  const rotation = new Rotation({ files: rotationFiles, meshes, discovery, beginning });
  const parts: NodeParts = {
    options,
    ...(configuration === undefined ? {} : { configuration }),
    version,
    clock,
    random: systemRandom,
    log,
    metrics: new MetricsRegistry(),
    events: new EventLog({
      clock,
      onListenerError: (error) => log.error({ reason: messageOf(error) }, "listener of the events failed"),
    }),
    troubles,
    audit,
    logRing,
    machine,
    progress: new ProgressFile(startingPath(options), process.pid),
    handover,
    guard: new InterfaceGuard(hostSystem.linkGuards, log, guard),
    ...(managed === null ? {} : { managed }),
    logsElsewhere: output.isElsewhere,
    setLogLevel: (level) => {
      nodeLog.level = level;
    },
    setLogLimits: output.setLimits,
    system: systemWithMark(hostSystem, options.fwmark),
    signals,
    mesh,
    addresses: meshes.addresses,
    sealer: beginning.secret,
    membership: meshes.current.membership,
    rotation,
    loadIdentity: () => {
      keys = loadNodeIdentity(stateFilePath(options));
      return identityOf(keys);
    },
    openRelayPlane: (wireguardPort, backend) => relayPlane(underlay, wireguardPort, backend),
    openManySockets: (wireguardPort) => manySockets(underlay, wireguardPort),
    openBackend: async () => {
      if (keys === null) throw new TypeError("the interface is opened before the identity is known");
      return openBackend({
        choice: options.backend,
        interfaceName: options.interfaceName,
        mtu: options.mtu ?? 0,
        keys: presharedKeys(keys, meshes),
        log,
        underlay,
        wireguardGo: options.wireguardGo,
        childRecord: childRecordPath(options),
        threads: options.threads,
      });
    },
  };

  const node = new MeshNode(parts);
  node.setDiscovery(discovery);
  node.setRotation(rotation);
  node.setRpcServer(
    new DaemonRpcServer({
      socketPath: rpcSocketPath(options),
      goPath: goPathFor(options),
      tryLock: os.lockFile,
      credentialsOf: os.peerCredentials,
      ownUid: process.geteuid?.() ?? 0,
      ...rpcDoors(options),
      spareConnections: () => machine.spareCallers(),
      version,
      clock,
      log: log.child({ module: "rpc" }),
      audit: (record) => audit.note(auditEntryOf(record)),
    }),
  );
  return node;
}

/** Read at each change of a peer: after a move the present key is another. */
function presharedKeys(identity: NodeIdentity, meshes: Meshes): Keys {
  return {
    identity,
    get presharedKey() {
      return meshes.current.presharedKey;
    },
    get nextPresharedKey() {
      return meshes.next?.presharedKey ?? null;
    },
  };
}

function rpcDoors(
  options: DaemonOptions,
): Pick<RpcServerOptions, "group" | "credentials" | "rpcListen" | "httpListen"> {
  const { socketGroup, socketGroupAdmin: admin, rpcListen, rpcCert, rpcKey, rpcTokens } = options;
  const certificate = rpcCert === null || rpcKey === null ? null : { certPath: rpcCert, keyPath: rpcKey };
  return {
    group: socketGroup === null ? null : { id: groupId(socketGroup), admin },
    credentials: { certificate, tokensPath: rpcTokens },
    rpcListen,
    httpListen: options.httpListen,
  };
}

function identityOf(keys: NodeIdentity): Identity {
  const publicKey = parsePublicKey(keys.publicKey);
  if (publicKey === null) throw new TypeError("the addon gave a public key that is none");
  return {
    created: keys.created,
    publicKey,
    meshIp: keys.meshIp,
    meshIpv6: keys.meshIpv6,
    prover: messageProver(keys),
    save: (meshIp, meshIpv6) => saveNodeIdentity(keys, meshIp, meshIpv6),
  };
}
