/**
 * The composition root: the one place that knows every part by name and puts them together.
 */
import type { DaemonOptions } from "../config/options.ts";
import { auditPath, childRecordPath, rpcSocketPath, startingPath, stateFilePath } from "../config/paths.ts";
import { registryPlace } from "../config/registry.ts";
import { systemClock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { parsePublicKey } from "../core/types.ts";
import { version } from "../core/version.ts";
import { MeshDiscovery } from "../discovery/meshDiscovery.ts";
import { issueTitle } from "../discovery/registry/issueBody.ts";
import type { RegistrySetting } from "../discovery/registry/registry.ts";
import { DEFAULT_STUN_SERVERS, type StunServer } from "../discovery/stun/servers.ts";
import { type MeshSecret, membershipOf, meshAddresses, meshPresharedKey } from "../identity/derivation.ts";
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
import { relayPlane } from "../wireguard/relayPlane.ts";
import { openBackend } from "../wireguard/select.ts";
import { auditEntryOf } from "./auditTrail.ts";
import { dhtOptions } from "./dht.ts";
import { hostSystem } from "./hostSystem.ts";
import { type GuardedLink, InterfaceGuard } from "./interfaceGuard.ts";
import type { ConfigurationSource } from "./liveConfiguration.ts";
import { openLogOutput } from "./logOutput.ts";
import { MachineWatch } from "./machineWatch.ts";
import { MeshNode } from "./meshNode.ts";
import * as os from "./os.ts";
import type { Identity, NodeParts } from "./parts.ts";
import { managedBy } from "./serviceManager.ts";
import { Signals } from "./signals.ts";
import { spreading } from "./spreading.ts";

/** LAN multicast of every mesh (PROTOCOL.md section 2). */
const MULTICAST_PORT = 51830;

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
 * before the first log line. Throws ERR_LOG_FILE.
 */
export function compose(
  options: DaemonOptions,
  secret: MeshSecret,
  { warnings = [], configuration, handover = false, guard = null }: Start,
): MeshNode {
  const signals = new Signals(process);
  const clock = systemClock;
  const output = openLogOutput(options, (reason) => {
    if (reason === null) troubles.clear("log-file");
    else troubles.raise("log-file", reason);
  });
  signals.onReopen(() => output.reopen());
  const managed = managedBy(process.env, process.pid);
  const logRing = new LogRing();
  const nodeLog = createLog({
    level: options.logLevel,
    format: options.logFormat,
    terminal: output.terminal,
    priorities: output.isJournal,
    noColour: (process.env.NO_COLOR ?? "") !== "",
    clock,
    write: output.write,
    keep: (line) => logRing.add(line),
  });
  const { log } = nodeLog;
  const troubles = new TroubleRegistry(clock, log);
  for (const warning of warnings) log.warn({}, warning);
  const mesh = secret.parameters();
  const audit = new AuditLog({ path: auditPath(options), clock, troubles });
  const machine = new MachineWatch({ clock, troubles, stateDir: options.stateDir });

  // ---- above: reads configuration; below: touches the system, once the node is opened ----

  let keys: NodeIdentity | null = null;
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
    logsToFile: output.isFile,
    setLogLevel: (level) => {
      nodeLog.level = level;
    },
    setLogLimits: output.setLimits,
    system: hostSystem,
    signals,
    mesh,
    addresses: meshAddresses(secret, options.meshSubnet),
    sealer: secret,
    membership: membershipOf(secret),
    loadIdentity: () => {
      keys = loadNodeIdentity(stateFilePath(options));
      return identityOf(keys);
    },
    openRelayPlane: relayPlane,
    openManySockets: manySockets,
    openBackend: async () => {
      if (keys === null) throw new TypeError("the interface is opened before the identity is known");
      return openBackend({
        choice: options.backend,
        interfaceName: options.interfaceName,
        mtu: options.mtu ?? 0,
        keys: { identity: keys, presharedKey: meshPresharedKey(secret) },
        log,
        wireguardGo: options.wireguardGo,
        childRecord: childRecordPath(options),
      });
    },
  };

  const node = new MeshNode(parts);
  node.setDiscovery(
    new MeshDiscovery({
      gossipPort: mesh.gossipPort,
      multicastGroup: mesh.multicastGroup,
      multicastPort: MULTICAST_PORT,
      lan: options.lanDiscovery,
      staticPeers: options.peers,
      relay: {
        enabled: options.relay,
        port: options.relayPort,
        limitBytesPerSecond: options.relayLimit,
        trusted: options.introducerKeys,
        forced: options.forceRelay,
        plaintextAllowed: options.allowPlaintextRelay,
      },
      gossip: options.gossip,
      spreading: spreading(options.privacy, mesh.gossipPort),
      ...(options.registry ? { registry: registrySetting(mesh.rendezvousId) } : {}),
      noIpv6: !options.ipv6,
      advertised: options.advertiseEndpoint,
      noPunching: !options.punching,
      introducerKeys: options.introducerKeys,
      stunServers: stunServersOf(options),
      ...(options.discoveryInterfaces.length === 0
        ? {}
        : { discoveryInterfaces: options.discoveryInterfaces }),
      excludeInterfaces: options.excludedInterfaces,
      ...(options.dht ? { dht: dhtOptions(options, secret, mesh.networkId) } : {}),
    }),
  );
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

function registrySetting(rendezvousId: string): RegistrySetting {
  return { access: registryPlace(process.env), title: issueTitle(rendezvousId), fetch };
}

function stunServersOf({ stun, stunServers }: DaemonOptions): readonly StunServer[] {
  if (!stun) return [];
  return stunServers.length === 0 ? DEFAULT_STUN_SERVERS : stunServers;
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
