/**
 * `wgmesh firewall` (row G10): what this node needs of the machine's firewall. Looks only; with and without a daemon.
 */
import { existsSync, readFileSync } from "node:fs";
import { DEFAULT_LISTEN_PORT } from "../config/options.ts";
import { rpcSocketPath } from "../config/paths.ts";
import { WgmeshError } from "../core/errors.ts";
import { ANYWHERE, advertisedNetworks } from "../doctor/checks/paths.ts";
import type { DoctorHost } from "../doctor/host.ts";
import type { Patient } from "../doctor/patient.ts";
import type { Ruleset } from "../doctor/ruleset.ts";
import { type Format, formatOf } from "../firewall/found.ts";
import { type MeshPorts, type Need, type NodeFacts, needOf } from "../firewall/need.ts";
import { openGivenSecret } from "../identity/meshSecret.ts";
import { callOnce } from "../rpc/client.ts";
import { realDoctorHost } from "./doctor/host.ts";
import { findPatient, type PatientRequest } from "./doctor/patient.ts";

export interface FirewallReport {
  readonly need: Need;
  /** What the ports were taken from. */
  readonly source: "daemon" | "secret";
  /** The kind that was found on this machine. */
  readonly found: Format;
  /** Null where the rules could not be read. */
  readonly ruleset: Ruleset | null;
}

const RULESET_LIMIT_MS = 5_000;
const CALL_LIMIT_MS = 3_000;

/** Rejects with ERR_SECRET_MISSING where no daemon answers and no secret is given, and with what is wrong with the secret. */
export async function firewallReport(request: PatientRequest): Promise<FirewallReport> {
  const patient = await findPatient(request);
  const host = realDoctorHost(patient.options);
  const [asked, ruleset] = await Promise.all([
    patient.running === null ? null : askedMeshes(request),
    host.ruleset(AbortSignal.timeout(RULESET_LIMIT_MS)).catch(() => null),
  ]);
  return {
    need: needOf(factsOf(patient, asked ?? [givenMesh(patient, request)], host)),
    source: asked === null ? "secret" : "daemon",
    found: formatOf({
      ...managers(),
      nft: host.hasProgram("nft"),
      iptables: host.hasProgram("iptables"),
      ruleset,
    }),
    ruleset,
  };
}

/** Null where the daemon is of a release that does not tell. */
async function askedMeshes({ configuration, trustedUids }: PatientRequest): Promise<MeshPorts[] | null> {
  const socketPath = rpcSocketPath(configuration.options);
  const place = { socketPath, trustedUids, timeoutMs: CALL_LIMIT_MS };
  try {
    const { meshes } = await callOnce(place, "net.ports");
    return meshes.map(({ control_port, probe_port, multicast_group }) => ({
      ...{ controlPort: control_port, probePort: probe_port, multicastGroup: multicast_group },
    }));
  } catch (error) {
    if (error instanceof WgmeshError && error.code === "ERR_RPC_METHOD") return null;
    throw error;
  }
}

function givenMesh({ unanswered }: Patient, { configuration, env }: PatientRequest): MeshPorts {
  // Nothing is joined here, so a weak secret is no reason to refuse.
  const request = { ...configuration.secret, allowWeakSecret: true };
  try {
    const { gossipPort, probePort, multicastGroup } = openGivenSecret(request, env).secret.parameters();
    return { controlPort: gossipPort, probePort, multicastGroup };
  } catch (error) {
    if (!(error instanceof WgmeshError && error.code === "ERR_SECRET_MISSING")) throw error;
    const why = unanswered === null ? "no daemon runs" : unanswered.message;
    throw new WgmeshError(
      error.code,
      `the control port follows from the secret: ${why}, and no secret was given`,
      {
        cause: error,
        hint: "start the node, run this as root, or give --secret-file FILE",
      },
    );
  }
}

function factsOf(patient: Patient, meshes: readonly MeshPorts[], host: DoctorHost): NodeFacts {
  const { options, running } = patient;
  const linkTo = (address: string): string | null => host.pathTo(address)?.linkName ?? null;
  const exit = options.ipv6 ? [ANYWHERE.ipv4, ANYWHERE.ipv6] : [ANYWHERE.ipv4];
  return {
    interfaceName: options.interfaceName,
    wireguardPort: running?.listenPort ?? options.listenPort ?? DEFAULT_LISTEN_PORT,
    meshes,
    lanDiscovery: options.lanDiscovery,
    dhtPort: options.dht && options.dhtPort !== 0 ? options.dhtPort : null,
    relayPort: options.relay ? options.relayPort : null,
    ipv6: options.ipv6,
    networks: advertisedNetworks(patient).map((network) => ({
      network,
      link: linkTo(network.split("/")[0] ?? ""),
    })),
    exitLinks: options.advertiseExitNode ? exit.flatMap((address) => linkTo(address) ?? []) : [],
  };
}

/** firewalld's own PID file, and ufw's switch (ufw(8)). */
function managers(): { readonly firewalld: boolean; readonly ufw: boolean } {
  return { firewalld: existsSync("/run/firewalld.pid"), ufw: isUfwOn() };
}

function isUfwOn(): boolean {
  try {
    return /^\s*ENABLED\s*=\s*["']?yes/im.test(readFileSync("/etc/ufw/ufw.conf", "utf8"));
  } catch {
    // Not installed.
    return false;
  }
}
