import { expect, test } from "vitest";
import { choosePeers, departedTable, type PeerChoice, peerTable } from "../../../src/cli/peerTable.ts";
import { NEVER, type PeerResult } from "../../../src/rpc/client.ts";
import { keyOf } from "../support/announcements.ts";

function peer(number: number, change: Partial<PeerResult> = {}): PeerResult {
  return {
    pubkey: keyOf(number),
    hostname: `host-${number}`,
    mesh_ip: `10.9.0.${number}`,
    endpoint: `192.0.2.${number}:51820`,
    last_seen: NEVER,
    discovered_via: null,
    state: "known",
    mesh_ipv6: null,
    last_handshake: null,
    rx_bytes: 0,
    tx_bytes: 0,
    introducer: false,
    nat_type: "",
    proven: true,
    path: "direct",
    relay: null,
    path_reason: null,
    health: null,
    ...change,
  };
}

const peers = [
  peer(10, { hostname: "zoe", state: "connected", latency_ms: 5, rx_bytes: 1 }),
  peer(9, { path: "relayed", last_seen: "2026-01-01T00:00:00Z", tx_bytes: 7 }),
  peer(2, { hostname: "Anna", state: "connected", last_seen: "2026-01-02T00:00:00Z", latency_ms: 50 }),
];
const all: PeerChoice = { connected: false, path: null, match: null, sort: "name" };
const chosen = (change: Partial<PeerChoice>): unknown[] =>
  choosePeers(peers, { ...all, ...change }).map(({ mesh_ip }) => Number(mesh_ip.split(".")[3]));

test.each([
  ["name", [2, 9, 10]],
  ["ip", [2, 9, 10]],
  ["seen", [2, 9, 10]],
  ["latency", [10, 2, 9]],
  ["rx", [10, 2, 9]],
  ["tx", [9, 2, 10]],
] as const)("sorted by %s", (sort, order) => {
  expect(chosen({ sort })).toEqual(order);
});

test("filtered", () => {
  expect(chosen({ connected: true })).toEqual([2, 10]);
  expect(chosen({ path: "relayed" })).toEqual([9]);
  expect(chosen({ match: "ANN" })).toEqual([2]);
  expect(chosen({ match: "192.0.2.9" })).toEqual([9]);
  expect(chosen({ match: "nobody" })).toEqual([]);
});

test("what it is sorted by is a column", () => {
  const head = (sort: PeerChoice["sort"]): string => peerTable(peers, sort, 0, null).split("\n")[0] ?? "";
  expect(head("name")).not.toMatch(/RTT|RECEIVED|SENT|SEEN/);
  expect(head("latency")).toContain("RTT");
  expect(head("seen")).toContain("SEEN");
  expect(peerTable(peers, "tx", 0, null)).toMatch(/SENT[\s\S]*7 B/);
});

test.each([40, 60, 80, 120])("fits %d columns, with something of every column from 80 on", (columns) => {
  const lines = peerTable(peers, "latency", 0, columns).trimEnd().split("\n");
  expect(lines).toHaveLength(4);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  if (columns >= 80) expect(lines[0]).toMatch(/HOST.*MESH IP.*STATE.*PATH.*RTT.*ENDPOINT.*HAND.*PUBLIC/);
});

test("who is gone has a table of its own: why, and for how long it is remembered", () => {
  const gone = {
    ...{ pubkey: keyOf(3), hostname: "gone", mesh_ip: "10.9.0.3", mesh_ipv6: null, endpoint: "" },
    ...{
      last_seen: NEVER,
      reason: "evicted" as const,
      since: "2026-01-01T00:00:00Z",
      until: "2026-01-01T00:10:00Z",
    },
  } as const;
  const nowMs = Date.parse("2026-01-01T00:02:30Z");
  expect(departedTable([gone], nowMs, null)).toBe(
    [
      "",
      "GONE  MESH IP   WHY                   FORGOTTEN    PUBLIC KEY",
      `gone  10.9.0.3  evicted 2 m 30 s ago  in 7 m 30 s  ${keyOf(3)}`,
      "",
    ].join("\n"),
  );
  expect(departedTable([], nowMs, null)).toBe("");
});
