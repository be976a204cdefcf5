import type { Command } from "commander";
import ipaddr from "ipaddr.js";
import { addOptions, readOptions } from "../../config/flags.ts";
import { daemonOptions, type OptionTable, type SecretOptions, secretOptions } from "../../config/options.ts";
import type { Cidr } from "../../core/types.ts";
import { callOnce, type StatusResult } from "../../rpc/client.ts";
import { addLocation, readLocation } from "../location.ts";
import { agoText, byteText, durationText, factsText, jsonLine, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { addWatch, drawAgain, readWatch } from "../watch.ts";

type OfflineOptions = Omit<SecretOptions, "allowWeakSecret"> & { readonly meshSubnet: Cidr | null };

const offlineOptions: OptionTable<OfflineOptions> = {
  secretFile: secretOptions.secretFile,
  secret: secretOptions.secret,
  meshSubnet: daemonOptions.meshSubnet,
};

/** `wgmesh status`: what the daemon says of itself; with a secret, what follows from that, without a daemon (row G2). */
export function addStatus(program: Command, terminal: Terminal): void {
  const command = program
    .command("status")
    .description("the state of the daemon; with --secret-file or --secret, what follows from the secret")
    .action(async () => {
      const location = readLocation(command, terminal);
      const offline = readOptions(command, offlineOptions, {});
      if (offline.secret !== null || offline.secretFile !== null) {
        const facts = await secretFacts(offline, location.interfaceName, terminal);
        terminal.out(
          location.json ? jsonText(facts) : factsText(Object.entries(facts).map(named), terminal.columns),
        );
        return;
      }
      const intervalMs = readWatch(command);
      await drawAgain(terminal, intervalMs, async () => {
        const status = await callOnce(location.client, "daemon.status");
        if (!location.json) return statusText(status, terminal);
        return intervalMs === null ? jsonText(status) : jsonLine(status);
      });
    });
  addWatch(command);
  addLocation(command);
  addOptions(command, offlineOptions);
}

const named = ([name, value]: [string, string | number]): [string, string] => [
  name.replaceAll("_", " "),
  `${value}`,
];

/** The Go peer's members in its order (PROTOCOL.md section 16, vectors `cli_status`), then ours. */
async function secretFacts(
  options: OfflineOptions,
  interfaceName: string,
  terminal: Terminal,
): Promise<Record<string, string | number>> {
  const { openMeshSecret } = await import("../../identity/meshSecret.ts");
  // Nothing is joined here, so a weak secret is no reason to refuse.
  const { secret, warnings } = openMeshSecret({ ...options, allowWeakSecret: true });
  for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
  const parameters = secret.parameters();
  return {
    interface: interfaceName,
    network_id: parameters.networkId.slice(0, 16),
    mesh_subnet: options.meshSubnet ?? parameters.meshSubnet,
    mesh_ipv6_prefix: goPrefixText(parameters.meshIpv6Prefix),
    gossip_port: parameters.gossipPort,
    rendezvous_id: parameters.rendezvousId,
    multicast_group: parameters.multicastGroup,
    probe_port: parameters.probePort,
  };
}

/** The Go peer writes each group of the /64 with four digits. */
function goPrefixText(prefix: string): string {
  const { parts } = ipaddr.IPv6.parse(prefix.replace("/64", ""));
  const groups = parts.slice(0, 4).map((part) => part.toString(16).padStart(4, "0"));
  return `${groups.join(":")}::/64`;
}

function memoryText({ memory_bytes: used, limits: { memory_bytes: limit } }: StatusResult): string {
  return limit === null ? byteText(used) : `${byteText(used)} of ${byteText(limit)}`;
}

function statusText(status: StatusResult, { clock, columns }: Terminal): string {
  const nowMs = clock.wallMs();
  const { peers, last_reconcile: reconcile } = status;
  const list = (texts: readonly string[]): string => (texts.length === 0 ? "none" : texts.join(", "));
  const facts: [string, string][] = [
    ["mesh addresses", [status.mesh_ip, status.mesh_ipv6].filter(Boolean).join(", ")],
    ["public key", status.pubkey],
    ["host name", status.hostname],
    ["backend", status.mtu === null ? status.backend : `${status.backend}, MTU ${status.mtu}`],
    ["listens on", `UDP port ${status.listen_port}`],
    ["endpoint", `${status.endpoint} (NAT: ${status.nat_type || "unknown"})`],
    ["networks", list(status.advertised_networks)],
    ["peers", `${peers.connected} connected, ${peers.active} active, ${peers.total} known`],
    ["health", healthText(status.health)],
    ...clientFacts(status.clients),
    ...exitFacts(status.exit_node),
    ["up for", `${durationText(status.uptime / 1e6)}, PID ${status.pid}, version ${status.version}`],
    ["uses", `${memoryText(status)}, ${status.open_files} open files`],
    [
      "reconciled",
      reconcile === null
        ? "not yet"
        : `${agoText(reconcile.at, nowMs)}, ${reconcile.changes} changes in ${reconcile.duration_ms.toFixed(1)} ms` +
          (reconcile.error === null ? "" : `, failed: ${reconcile.error}`),
    ],
  ];
  const layers = status.layers.map((layer) => [layer.name, layer.state, layer.last_error ?? layer.detail]);
  const troubles = [
    ...status.failing.map(({ object, reason, since }) => [
      object,
      `${reason} (first seen ${agoText(since, nowMs)})`,
    ]),
    ...status.warnings.map((warning) => ["warning", warning]),
  ];
  return [
    tableText([`${status.interface}: ${status.state}`], [], columns),
    factsText(facts, columns),
    layers.length === 0 ? "" : `\n${tableText(["DISCOVERY", "STATE", "DETAIL"], layers, columns)}`,
    troubles.length === 0 ? "" : `\n${tableText(["TROUBLE", "WHAT"], troubles, columns)}`,
  ].join("");
}

/** Those in no trouble first; states without peers are left out. */
function healthText(health: StatusResult["health"]): string {
  const shown = Object.entries(health).filter(([, count]) => count > 0);
  return shown.length === 0
    ? "nobody to judge"
    : shown.map(([state, count]) => `${count} ${state}`).join(", ");
}

/** No line for a node that is nobody's gateway. */
const clientFacts = ({ count, connected }: StatusResult["clients"]): [string, string][] =>
  count === 0 ? [] : [["clients", `${connected} connected, ${count} known`]];

/** Through whom, or why not; no line when none is asked for. */
function exitFacts(exit: StatusResult["exit_node"]): [string, string][] {
  if (exit === null) return [];
  const standing = exit.state === "active" ? `active, peer ${exit.pubkey}` : `waiting: it ${exit.reason}`;
  return [["exit node", `${exit.wanted} (${standing})${exit.only ? ", and no other way" : ""}`]];
}
