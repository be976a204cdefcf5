/**
 * The check of the network (row G3): what STUN found, put beside what the host and the layers of discovery know.
 */
import type { Finding, NatReport, NetReport } from "../core/netReport.ts";
import { parseEndpoint } from "../core/types.ts";
import { type Ask, findPortMapping } from "../discovery/netcheck/portMapping.ts";
import type { LayerStatus } from "../discovery/seams.ts";
import type { Peer } from "../peers/peer.ts";
import type { System } from "./system.ts";

export interface NetCheckParts {
  readonly system: Pick<System, "pathTo">;
  readonly ask: Ask;
  readonly examine: () => Promise<NatReport>;
  /** Null without a daemon. */
  readonly node: { layers(): readonly LayerStatus[]; peers(): readonly Peer[] } | null;
}

/** Where routes are looked up without a server; documentation addresses, to which nothing is sent. */
const ANYWHERE = { ipv4: "192.0.2.1", ipv6: "2001:db8::1" } as const;

const NO_DAEMON: Finding = { state: "unknown", detail: "no daemon runs" };

export async function netCheck({ system, ask, examine, node }: NetCheckParts): Promise<NetReport> {
  const toAnywhere = system.pathTo(ANYWHERE.ipv4) ?? system.pathTo(ANYWHERE.ipv6);
  const gateway = toAnywhere?.gateway ?? null;
  const [nat, portMapping] = await Promise.all([
    examine(),
    findPortMapping(ask, gateway, toAnywhere?.source ?? null),
  ]);
  const reached = nat.servers.flatMap(({ address, after_ms }) =>
    address !== null && after_ms !== null ? [parseEndpoint(address)?.host ?? ""] : [],
  );
  const layers = node?.layers() ?? [];
  return {
    ...nat,
    daemon: node !== null,
    ipv4: familyFinding(
      reached.some((host) => !host.includes(":")),
      system.pathTo(ANYWHERE.ipv4) !== null,
    ),
    ipv6: familyFinding(
      reached.some((host) => host.includes(":")),
      system.pathTo(ANYWHERE.ipv6) !== null,
    ),
    dht: node === null ? NO_DAEMON : dhtFinding(layers.find(({ name }) => name === "dht")),
    multicast:
      node === null
        ? NO_DAEMON
        : multicastFinding(
            layers.find(({ name }) => name === "lan"),
            node.peers(),
          ),
    mtu: (reached[0] === undefined ? toAnywhere : system.pathTo(reached[0]))?.mtu ?? null,
    gateway,
    port_mapping: portMapping,
  };
}

function familyFinding(answered: boolean, hasRoute: boolean): Finding {
  if (answered) return { state: "yes", detail: "a STUN server answered" };
  if (!hasRoute) return { state: "no", detail: "this host has no route" };
  return { state: "unknown", detail: "there is a route, but no STUN server answered" };
}

function dhtFinding(layer: LayerStatus | undefined): Finding {
  switch (layer?.state) {
    case "running":
      return { state: "yes", detail: layer.detail };
    case "degraded":
      return { state: "no", detail: layer.lastError ?? layer.detail };
    case "off":
      return { state: "unknown", detail: "switched off" };
    default:
      return { state: "unknown", detail: layer?.detail || "not known yet" };
  }
}

/** That the sockets are open says nothing about switches and access points: only a neighbour that was heard does. */
function multicastFinding(layer: LayerStatus | undefined, peers: readonly Peer[]): Finding {
  const heard = peers.filter(({ methods }) => methods.includes("lan")).length;
  if (heard > 0)
    return { state: "yes", detail: heard === 1 ? "1 peer was heard" : `${heard} peers were heard` };
  if (layer?.state === "off") return { state: "unknown", detail: "switched off" };
  if (layer?.state === "degraded") return { state: "no", detail: layer.lastError ?? layer.detail };
  return { state: "unknown", detail: "no neighbour was heard" };
}
