import { beforeEach, expect, test } from "vitest";
import type { NodeEvent } from "../../../src/core/events.ts";
import { tellEvents } from "../../../src/daemon/tellEvents.ts";
import { EventLog } from "../../../src/observe/events.ts";
import { LocalNode, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import type { Sighting } from "../../../src/peers/peer.ts";
import { EXPIRE_MS, PeerStore } from "../../../src/peers/store.ts";
import { cidr, ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";

const OWN = keyOf(9999);
const PEER = keyOf(1);

let clock: ManualClock;
let store: PeerStore;
let paths: PathTable;
let self: LocalNode;
let log: EventLog;

beforeEach(() => {
  clock = new ManualClock();
  const options = { strictAddresses: false, noIpv6: false, addresses: testDerivation };
  store = new PeerStore({ clock, ownKey: OWN, ...options });
  paths = new PathTable();
  self = new LocalNode({
    ...NOTHING_LEARNED,
    publicKey: OWN,
    hostname: "own",
    meshIp: ip("10.7.0.1"),
    meshIpv6: null,
    wireguardPort: 51820,
    instance: "0123456789abcdef",
  });
  log = new EventLog({ clock });
  tellEvents(log, { store, paths, self });
  store.subscribe((event) => {
    if (event.type === "removed") paths.forget(event.peer.publicKey);
  });
});

let seen = 0;
beforeEach(() => {
  seen = 0;
});

/** What was told since the last look. */
function told(): [type: string, data: NodeEvent["data"]][] {
  const events = log.list({ afterId: seen });
  seen = events.at(-1)?.id ?? seen;
  expect(events.every(({ type, peer }) => peer === (type.startsWith("peer.") ? PEER : undefined))).toBe(true);
  return events.map(({ type, data }) => [type, data]);
}

const hello = (change: Partial<Sighting> = {}): void =>
  void store.observe({ publicKey: PEER, method: "lan", hostname: "a", instance: "00", ...change });

test("a peer that comes, changes, connects, falls silent and expires", () => {
  hello({ endpoint: { host: "192.0.2.7", port: 51820 } });
  expect(told()).toEqual([
    ["peer.added", { mesh_ip: null, endpoint: "192.0.2.7:51820", discovered_via: ["lan"] }],
  ]);
  hello();
  hello({ knowsUs: true, candidates: [{ host: "192.0.2.8", port: 1 }] });
  expect(told()).toEqual([]);
  hello({ hostname: "b", networks: [cidr("192.168.9.0/24")], natType: "cone" });
  expect(told()).toEqual([
    ["peer.updated", { hostname: "b", routable_networks: ["192.168.9.0/24"], nat_type: "cone" }],
  ]);
  hello({ hostname: "b", instance: "11" });
  expect(told()).toEqual([["peer.updated", { restarted: true }]]);

  store.noteHandshake(PEER, clock.wallMs());
  store.noteHandshake(PEER, clock.wallMs());
  expect(told()).toEqual([["peer.connected", {}]]);
  const lastMs = clock.wallMs();
  clock.advance(180_000);
  store.noteHandshake(PEER, lastMs);
  expect(told()).toEqual([["peer.disconnected", { reason: "no handshake for 180 s" }]]);
  store.noteHandshake(PEER, clock.wallMs());
  expect(told()).toEqual([["peer.connected", {}]]);
  clock.advance(EXPIRE_MS + 1);
  store.expire();
  expect(told()).toEqual([
    ["peer.disconnected", { reason: "expired" }],
    ["peer.removed", { reason: "expired", mesh_ip: null }],
  ]);
});

test("a peer whose first word comes after a mention has not restarted", () => {
  store.observe({ publicKey: PEER, method: "gossip-transitive", ageSeconds: 1 });
  hello();
  const [, updated] = told();
  expect(updated?.[1]).not.toHaveProperty("restarted");
});

test("ways to a peer, but not of one that left", () => {
  const bridge = { host: "127.0.0.1", port: 4000 };
  hello();
  told();
  paths.set(PEER, { kind: "relayed", via: OWN, endpoint: bridge });
  paths.set(PEER, { kind: "relayed", via: OWN, endpoint: { ...bridge, port: 4001 } });
  paths.set(PEER, { kind: "impossible", reason: "both are behind NATs" });
  expect(told()).toEqual([
    ["peer.path", { from: "direct", to: "relayed", relay: OWN, reason: null }],
    ["peer.path", { from: "relayed", to: "impossible", relay: null, reason: "both are behind NATs" }],
  ]);
  store.remove(PEER, "goodbye");
  expect(told()).toEqual([["peer.removed", { reason: "goodbye", mesh_ip: null }]]);
});

test("our own endpoint", () => {
  self.update({ networks: [cidr("192.168.1.0/24")] });
  expect(told()).toEqual([]);
  self.update({ externalHost: ip("203.0.113.9"), natType: "cone" });
  expect(told()).toEqual([
    ["endpoint.changed", { from: "0.0.0.0:51820", to: "203.0.113.9:51820", nat_type: "cone" }],
  ]);
});
