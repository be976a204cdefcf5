import type { Command } from "commander";
import { addOptions, readOptions } from "../../config/flags.ts";
import { type DaemonOptions, daemonOptions, type OptionTable } from "../../config/options.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { Finding, NetReport } from "../../core/netReport.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { factsText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

type NetcheckOptions = Pick<DaemonOptions, "stunServers">;

const options: OptionTable<NetcheckOptions> = {
  stunServers: {
    ...daemonOptions.stunServers,
    help: "ask these STUN servers, from a socket of its own, even when a daemon runs; commas between, or repeated",
  },
};

/** Filters and silent servers take their time to be found. */
const TIMEOUT_MS = 30_000;

/** `wgmesh netcheck` (row G3): NATs, STUN, DHT, multicast, IPv6, MTU, port mapping. */
export function addNetcheck(program: Command, terminal: Terminal): void {
  const command = program
    .command("netcheck")
    .description("how the network treats this node; takes up to 20 s")
    .action(async () => {
      const location = readLocation(command, terminal);
      const { stunServers } = readOptions(command, options, {});
      const report = await withProgress(terminal, "checking the network", () =>
        check(location, stunServers, terminal),
      );
      terminal.out(location.json ? jsonText(report) : reportText(report, terminal.columns));
    });
  addLocation(command);
  addOptions(command, options);
}

async function check(
  { interfaceName, client, remote }: Location,
  servers: NetcheckOptions["stunServers"],
  terminal: Terminal,
): Promise<NetReport> {
  if (servers.length === 0) {
    try {
      return await callOnce({ ...client, timeoutMs: TIMEOUT_MS }, "net.check");
    } catch (error) {
      if (remote || !(error instanceof WgmeshError && error.code === "ERR_NOT_RUNNING")) throw error;
      terminal.err("wgmesh: no daemon runs: the check is made from a socket of its own\n");
    }
  }
  const { netCheckAlone } = await import("../../daemon/alone.ts");
  return await netCheckAlone(servers, interfaceName);
}

const MAPPING: Readonly<Record<NetReport["sockets"][number]["mapping"], string>> = {
  none: "no NAT",
  independent: "the same to all",
  address: "differs by address",
  port: "differs by port",
  dependent: "differs",
  unknown: "unknown",
};
const FILTERING: Readonly<Record<NetReport["sockets"][number]["filtering"], string>> = {
  independent: "lets all in",
  address: "by address",
  port: "by address and port",
  unknown: "unknown",
};

function reportText(report: NetReport, columns: number | null): string {
  const { port_mapping: mapping } = report;
  const text = ({ state, detail }: Finding): string => (detail === "" ? state : `${state}: ${detail}`);
  const facts: [string, string][] = [
    ["NAT", report.nat_type],
    ["IPv4", text(report.ipv4)],
    ["IPv6", text(report.ipv6)],
    ["DHT", text(report.dht)],
    ["multicast", text(report.multicast)],
    ["path MTU", report.mtu === null ? "unknown" : `${report.mtu}`],
    ["router", report.gateway ?? "none"],
    ["PCP", text(mapping.pcp)],
    ["NAT-PMP", text(mapping.nat_pmp)],
    ["UPnP", text(mapping.upnp)],
  ];
  const sockets = report.sockets.map(({ socket, family, mapped, mapping: kind, filtering }) => [
    socket,
    family === "ipv4" ? "IPv4" : "IPv6",
    mapped ?? "-",
    MAPPING[kind],
    FILTERING[filtering],
  ]);
  const servers = report.servers.map(({ server, address, after_ms: afterMs, error }) => [
    server,
    address ?? "-",
    afterMs === null ? (error ?? "no answer") : `${afterMs} ms`,
  ]);
  return [
    factsText(facts, columns),
    `\n${tableText(["SOCKET", "FAMILY", "SEEN AT", "MAPPING", "FILTERING"], sockets, columns)}`,
    servers.length === 0 ? "" : `\n${tableText(["STUN SERVER", "ADDRESS", "ANSWER"], servers, columns)}`,
  ].join("");
}
