/**
 * Gathers what the checks need to know of the node: its configuration, its secret's parameters, and what its daemon says.
 */
import { journalPath } from "../../backup/parts.ts";
import type { Configuration } from "../../config/configuration.ts";
import { parseTyped } from "../../config/given.ts";
import { optionsOf, type Setting } from "../../config/layers.ts";
import { type DaemonOptions, daemonOptions } from "../../config/options.ts";
import { pidFilePath, rpcSocketPath } from "../../config/paths.ts";
import { type Problem, problemOf } from "../../config/problem.ts";
import { schema } from "../../config/schema.ts";
import type { ShownSetting } from "../../config/shown.ts";
import { WgmeshError } from "../../core/errors.ts";
import { parseCidr, parseEndpoint } from "../../core/types.ts";
import { PUBLIC_BOOTSTRAP } from "../../discovery/dht/bootstrap.ts";
import { DEFAULT_STUN_SERVERS } from "../../discovery/stun/servers.ts";
import type { Patient, Running, SecretFacts } from "../../doctor/patient.ts";
import { meshAddresses } from "../../identity/derivation.ts";
import { openGivenSecret } from "../../identity/meshSecret.ts";
import { identifyFromPidFile } from "../../launch/processes.ts";
import { RpcClient } from "../../rpc/client.ts";

export interface PatientRequest {
  readonly configuration: Configuration;
  /** Sentences on variables that mean nothing. */
  readonly warnings: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whose socket is believed besides root's and one's own. */
  readonly trustedUids: readonly number[];
}

/** For each call. */
const TIMEOUT_MS = 3_000;

export async function findPatient(request: PatientRequest): Promise<Patient> {
  const { configuration, env, warnings } = request;
  const socketPath = rpcSocketPath(configuration.options);
  const { running, settings, unanswered } = await ask(socketPath, request.trustedUids);
  const options =
    settings === null ? configuration.options : optionsOfDaemon(configuration.options, settings);
  const alive = running?.pid ?? identifyFromPidFile(pidFilePath(options))?.pid ?? null;
  return {
    options,
    configuration: { file: configuration.file, problems: configuration.problems, warnings },
    secretFile: secretFileOf(configuration, env),
    secret: secretFacts(configuration, env, options),
    running,
    // Nobody behind the socket is what one expects where no daemon lives.
    unanswered: alive === null && unanswered?.code === "ERR_NOT_RUNNING" ? null : unanswered,
    pid: alive,
    socketPath,
    importJournal: journalPath(options),
    publicServers: { stun: DEFAULT_STUN_SERVERS, dht: PUBLIC_BOOTSTRAP },
  };
}

interface Asked {
  readonly running: Running | null;
  readonly settings: readonly ShownSetting[] | null;
  readonly unanswered: Problem | null;
}

async function ask(socketPath: string, trustedUids: readonly number[]): Promise<Asked> {
  try {
    const client = await RpcClient.connect({ socketPath, trustedUids, timeoutMs: TIMEOUT_MS });
    try {
      const [status, health, { peers }, { settings }] = await Promise.all([
        client.call("daemon.status"),
        client.call("health.get"),
        client.call("peers.list"),
        client.call("config.get"),
      ]);
      const running: Running = {
        pid: status.pid,
        publicKey: status.pubkey,
        backend: status.backend,
        listenPort: status.listen_port,
        advertisedNetworks: status.advertised_networks,
        failing: status.failing,
        health: health.checks,
        peerHosts: [...new Set(peers.flatMap(({ endpoint }) => parseEndpoint(endpoint)?.host ?? []))],
      };
      return { running, settings, unanswered: null };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof WgmeshError)) throw error;
    return { running: null, settings: null, unanswered: problemOf(error) };
  }
}

/** What the daemon was told, which a flag of its own may say; what this release does not know stays as the files have it. */
function optionsOfDaemon(options: DaemonOptions, settings: readonly ShownSetting[]): DaemonOptions {
  const known = settings.flatMap(({ key, value, origin }): [string, Setting][] => {
    const row = schema.get(key);
    if (row === undefined || origin === "default" || value === null) return [];
    const given = typeof value === "number" ? BigInt(value) : value;
    try {
      return [[key, { value: parseTyped(row, given, key), origin: { kind: "default" } }]];
    } catch {
      return [];
    }
  });
  const { runDir, socketPath } = options;
  return { ...optionsOf(daemonOptions, new Map(known)), runDir, socketPath };
}

/** The one that would be read, if it is a file (identity/secretSources.ts has the order). */
function secretFileOf({ secret }: Configuration, env: PatientRequest["env"]): string | null {
  if (secret.secret !== null || secret.secretFile === "-") return null;
  if (secret.secretFile !== null) return secret.secretFile;
  if (env.WGMESH_SECRET) return null;
  return env.WGMESH_SECRET_FILE || secret.configuredFile;
}

/** Null when none is given: nobody is asked for one. */
function secretFacts(
  { secret: request }: Configuration,
  env: PatientRequest["env"],
  { meshSubnet }: DaemonOptions,
): SecretFacts | Problem | null {
  if (request.secretFile === "-") return null;
  try {
    const { secret } = openGivenSecret(request, env);
    const { gossipPort } = secret.parameters();
    const network = parseCidr(meshAddresses(secret, meshSubnet).meshSubnet);
    if (network === null) throw new TypeError("the addon derived no network");
    return { gossipPort, meshSubnet: network };
  } catch (error) {
    const problem = problemOf(error);
    return problem.code === "ERR_SECRET_MISSING" ? null : problem;
  }
}
