/**
 * What a node is made of, handed in by the composition root (compose.ts) or by a test.
 */
import type { DaemonOptions } from "../config/options.ts";
import type { Clock } from "../core/clock.ts";
import type { Log, LogLevels } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import type { PublicKey } from "../core/types.ts";
import type { RelayPlane } from "../discovery/relay/plane.ts";
import type { OpenManySockets } from "../discovery/rendezvous/birthday.ts";
import type { Discovery, Membership, Prover, Sealer } from "../discovery/seams.ts";
import { defaultReconcileSettings, type ReconcileSettings } from "../mesh/reconcileSettings.ts";
import type { AuditLog } from "../observe/auditLog.ts";
import type { EventLog } from "../observe/events.ts";
import type { LogRing } from "../observe/logRing.ts";
import type { MetricsRegistry } from "../observe/metrics.ts";
import type { TroubleRegistry } from "../observe/troubles.ts";
import type { AddressDerivation } from "../peers/addresses.ts";
import type { RpcServer } from "../rpc/daemonView.ts";
import type { Backend } from "../wireguard/backend.ts";
import type { InterfaceGuard } from "./interfaceGuard.ts";
import type { ConfigurationSource } from "./liveConfiguration.ts";
import type { MachineWatch } from "./machineWatch.ts";
import type { RotationControl } from "./rotation/control.ts";
import type { Managed } from "./serviceManager.ts";
import type { Signals } from "./signals.ts";
import type { System } from "./system.ts";

/** The key pair and the pinned addresses; the private key stays behind it. */
export interface Identity {
  /** True when the key pair is new. */
  readonly created: boolean;
  readonly publicKey: PublicKey;
  readonly meshIp: string | null;
  readonly meshIpv6: string | null;
  readonly prover: Prover;
  /** Writes the state file when it says something else. */
  save(meshIp: string, meshIpv6: string | null): void;
}

/** What follows from the secret and may be known. */
export interface MeshFacts {
  readonly networkId: string;
  readonly gossipPort: number;
  readonly probePort: number;
  readonly multicastGroup: string;
}

export interface NodeParts {
  readonly options: DaemonOptions;
  /** Where the options come from; absent when a program gave them and nothing can be read again. */
  readonly configuration?: ConfigurationSource;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: MetricsRegistry;
  /** Where every part tells what happened, and whoever asks reads it. */
  readonly events: EventLog;
  readonly troubles: TroubleRegistry;
  readonly audit: AuditLog;
  /** The last lines of the log. */
  readonly logRing: LogRing;
  readonly machine: MachineWatch;
  /** How far the start is, for whoever waits for it. */
  readonly progress?: { step(name: string): void; remove(): void };
  /** The daemon this one was a moment ago has left its interface and its knowledge to it. */
  readonly handover?: boolean;
  readonly guard: InterfaceGuard;
  /** Who started this process and wants to hear of it; absent without one. */
  readonly managed?: Managed;
  /** Nobody sees standard error. */
  readonly logsElsewhere?: boolean;
  readonly setLogLevel: (level: LogLevels) => void;
  /** Of the log file, where there is one. */
  readonly setLogLimits: (limits: Pick<DaemonOptions, "logMaxSize" | "logKeep">) => void;
  readonly system: System;
  readonly signals: Signals;
  readonly mesh: MeshFacts;
  readonly addresses: AddressDerivation;
  readonly sealer: Sealer;
  /** Absent: tokens are neither sent nor looked at. */
  readonly membership?: Membership | undefined;
  /** How the mesh moves to a new secret; absent where it cannot. */
  readonly rotation?: RotationControl | undefined;
  /** Reads the state file, or makes a key pair. Throws ERR_STATE_*. */
  readonly loadIdentity: () => Identity;
  /** Creates the interface, or adopts the one of that name; sets nothing on it yet. */
  readonly openBackend: () => Promise<Backend>;
  /** What moves relayed packets; null where the system has none. `wireguardPort` is asked for each bridge. */
  /** Null where the system has none. `wireguardPort` tells where WireGuard listens. */
  readonly openManySockets: (wireguardPort: () => number) => OpenManySockets | null;
  readonly openRelayPlane: (wireguardPort: () => number, backend: string) => RelayPlane | null;
  readonly timing?: Partial<NodeTiming>;
  readonly reconcile?: ReconcileSettings;
}

/** The injected layers; a node runs without either (row C8). */
export interface NodeLayers {
  readonly discovery: Discovery | null;
  readonly rpcServer: RpcServer | null;
}

export interface NodeTiming {
  /** How long RPC calls in flight may take to finish at the end. */
  readonly rpcStopMs: number;
  /** How long cancelled tasks may take to end: with the others below any init system's 30 s (row C4). */
  readonly drainMs: number;
  readonly goodbyeMs: number;
  readonly cacheSaveMs: number;
  readonly expireMs: number;
  readonly upHookMs: number;
  /** The same bound holds for it as for the tasks. */
  readonly downHookMs: number;
}

export const defaultTiming: NodeTiming = {
  rpcStopMs: 2_000,
  drainMs: 10_000,
  goodbyeMs: 2_000,
  cacheSaveMs: 5 * 60_000,
  expireMs: 60_000,
  upHookMs: 30_000,
  downHookMs: 10_000,
};

export function reconcileSettings({ keepaliveSeconds, reconcileSeconds }: DaemonOptions): ReconcileSettings {
  return { ...defaultReconcileSettings, keepaliveSeconds, sweepMs: reconcileSeconds * 1000 };
}
