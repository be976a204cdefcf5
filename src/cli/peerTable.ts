/**
 * `wgmesh peers list`: which peers, in which order, as a table. Pure.
 */
import { type DepartedResult, NEVER, type PeerResult } from "../rpc/client.ts";
import { agoText, byteText, durationText, tableText } from "./render.ts";

export const SORT_KEYS = ["name", "ip", "seen", "latency", "rx", "tx"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export const PATHS = ["direct", "relayed", "bridged", "forwarded", "impossible"] as const;

export interface PeerChoice {
  readonly connected: boolean;
  readonly path: string | null;
  /** Part of a host name, an address or a key, in any case. */
  readonly match: string | null;
  readonly sort: SortKey;
}

/** Equal ones by name, then key: the order is always the same. */
export function choosePeers(peers: readonly PeerResult[], choice: PeerChoice): PeerResult[] {
  const match = choice.match?.toLowerCase() ?? null;
  const holds = (text: string | null | undefined): boolean =>
    text?.toLowerCase().includes(match ?? "") === true;
  const order = ORDERS[choice.sort];
  return peers
    .filter(
      (peer) =>
        (!choice.connected || peer.state === "connected") &&
        (choice.path === null || peer.path === choice.path) &&
        (match === null ||
          [peer.hostname, peer.mesh_ip, peer.mesh_ipv6, peer.endpoint, peer.pubkey].some(holds)),
    )
    .sort((a, b) => order(a, b) || byName(a, b));
}

const byName = (a: PeerResult, b: PeerResult): number =>
  compare(a.hostname ?? "", b.hostname ?? "") || compare(a.pubkey, b.pubkey);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The newest, the nearest, and those with the most traffic come first. */
const ORDERS: Readonly<Record<SortKey, (a: PeerResult, b: PeerResult) => number>> = {
  name: byName,
  ip: (a, b) => compare(addressKey(a.mesh_ip), addressKey(b.mesh_ip)),
  seen: (a, b) => compare(b.last_seen, a.last_seen),
  latency: (a, b) => (a.latency_ms ?? Number.MAX_VALUE) - (b.latency_ms ?? Number.MAX_VALUE),
  rx: (a, b) => b.rx_bytes - a.rx_bytes,
  tx: (a, b) => b.tx_bytes - a.tx_bytes,
};

/** `10.9.0.2` before `10.10.0.1`. */
const addressKey = (address: string): string => address.replace(/\d+/g, (number) => number.padStart(3, "0"));

type Column = readonly [title: string, cell: (peer: PeerResult, nowMs: number) => string];

/** What it is sorted by is shown. */
const SORT_COLUMNS: Readonly<Partial<Record<SortKey, Column>>> = {
  seen: ["SEEN", (peer, nowMs) => agoText(peer.last_seen === NEVER ? null : peer.last_seen, nowMs)],
  latency: ["RTT", ({ latency_ms }) => (latency_ms === undefined ? "-" : `${latency_ms} ms`)],
  rx: ["RECEIVED", ({ rx_bytes }) => byteText(rx_bytes)],
  tx: ["SENT", ({ tx_bytes }) => byteText(tx_bytes)],
};

export function peerTable(
  peers: readonly PeerResult[],
  sort: SortKey,
  nowMs: number,
  columns: number | null,
): string {
  if (peers.length === 0) return "no active peers\n";
  const sortColumn = SORT_COLUMNS[sort];
  const shown: readonly Column[] = [
    ["HOST", ({ hostname }) => hostname ?? "-"],
    ["MESH IP", ({ mesh_ip }) => mesh_ip],
    ["STATE", ({ state }) => state],
    ["HEALTH", ({ health }) => health ?? "-"],
    ["PATH", ({ path }) => path],
    ...(sortColumn === undefined ? [] : [sortColumn]),
    ["ENDPOINT", ({ endpoint }) => endpoint || "-"],
    ["HANDSHAKE", ({ last_handshake }) => agoText(last_handshake, nowMs)],
    ["PUBLIC KEY", ({ pubkey }) => pubkey],
  ];
  const rows = peers.map((peer) => shown.map(([, cell]) => cell(peer, nowMs)));
  return tableText(
    shown.map(([title]) => title),
    rows,
    columns,
  );
}

const REASONS: Readonly<Record<DepartedResult["reason"], string>> = {
  goodbye: "left",
  evicted: "evicted",
  expired: "expired",
  replaced: "replaced",
  "left-behind": "without the new secret",
};

/** Those that are no peers any more; empty for none. */
export function departedTable(
  departed: readonly DepartedResult[],
  nowMs: number,
  columns: number | null,
): string {
  if (departed.length === 0) return "";
  const rows = departed.map(({ hostname, mesh_ip, reason, since, until, pubkey }) => [
    hostname ?? "-",
    mesh_ip,
    `${REASONS[reason]} ${agoText(since, nowMs)}`,
    `in ${durationText(Date.parse(until) - nowMs)}`,
    pubkey,
  ]);
  return `\n${tableText(["GONE", "MESH IP", "WHY", "FORGOTTEN", "PUBLIC KEY"], rows, columns)}`;
}
