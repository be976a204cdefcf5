import { describe, expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { Crowds } from "../../../src/mesh/crowds.ts";
import { desiredPeers } from "../../../src/mesh/desired.ts";
import { difference } from "../../../src/mesh/difference.ts";
import { keyInTurn, type Moving } from "../../../src/mesh/moving.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import type { ActualPeer, WantedPeer } from "../../../src/wireguard/backend.ts";
import { ip, keyOf } from "../support/announcements.ts";

const NOW = 1_767_225_600_000;

const peer = (number: number): Peer => ({
  publicKey: keyOf(number),
  hostname: "",
  meshIp: ip(`10.1.0.${number}`),
  meshIpv6: null,
  endpoint: { host: `192.0.2.${number}` as IpAddress, port: 51_820 },
  endpointMethod: "lan",
  endpointAtMs: NOW,
  controlEndpoint: null,
  methods: ["lan"],
  introducer: false,
  relays: false,
  networks: [],
  candidates: [],
  natType: "",
  instance: "0123456789abcdef",
  firstSeenMs: NOW,
  lastSeenMs: NOW,
  lastHandshakeMs: NOW - 10_000,
  knowsUs: true,
  proven: true,
});

const both = keyOf(1);
const moving: Pick<Moving, "addressesOf" | "presharedKeyOf"> = {
  addressesOf: (publicKey: PublicKey) => (publicKey === both ? [ip("10.2.0.1"), ip("10.1.0.1")] : []),
  presharedKeyOf: ({ publicKey }) => (publicKey === both ? "next" : undefined),
};

function wantedWith(now: typeof moving | null): WantedPeer[] {
  return desiredPeers({
    peers: [peer(1), peer(2)],
    own: { publicKey: keyOf(9), meshIp: ip("10.1.0.9"), meshIpv6: null },
    accepted: new Map(),
    keepaliveSeconds: 25,
    nowMs: NOW,
    pathTo: () => ({ kind: "direct", endpoint: null }) as never,
    crowds: new Crowds(),
    moving: now,
  });
}

const asItIs = (wanted: WantedPeer): ActualPeer => ({
  publicKey: wanted.publicKey,
  hasPresharedKey: true,
  endpoint: wanted.endpoint,
  allowedIps: wanted.allowedIps,
  keepaliveSeconds: wanted.keepaliveSeconds,
  lastHandshakeMs: NOW,
  rxBytes: 0,
  txBytes: 0,
});

test("a peer that has the new secret too is reached in both meshes, under the new preshared key", () => {
  const [first, second] = wantedWith(moving);
  expect(first).toMatchObject({ allowedIps: ["10.1.0.1/32", "10.2.0.1/32"], presharedKey: "next" });
  expect(second).toMatchObject({ allowedIps: ["10.1.0.2/32"] });
  expect(second).not.toHaveProperty("presharedKey");
});

describe("a change of the preshared key", () => {
  const key = (peers: readonly WantedPeer[]): ReadonlyMap<PublicKey, WantedPeer> =>
    new Map(peers.map((wanted) => [wanted.publicKey, wanted]));
  const changes = (before: typeof moving | null, now: typeof moving | null): unknown =>
    difference(wantedWith(now), wantedWith(before).map(asItIs), key(wantedWith(before)));

  test("is written by itself, so that the running session stays, there and back", () => {
    const update = { kind: "update", publicKey: both };
    expect(changes(null, moving)).toEqual({
      changes: [{ ...update, allowedIps: ["10.1.0.1/32", "10.2.0.1/32"], presharedKey: "next" }],
      foreign: [],
    });
    expect(changes(moving, null)).toEqual({
      changes: [{ ...update, allowedIps: ["10.1.0.1/32"], presharedKey: "mesh" }],
      foreign: [],
    });
  });

  test("is written once", () => {
    expect(changes(moving, moving)).toEqual({ changes: [], foreign: [] });
  });
});

describe("which key a pair uses", () => {
  const overdue = NOW - 151_000;

  test.each([
    ["a running session", NOW - 60_000, 60_000],
    ["none yet", 0, 60_000],
    ["one that ends, when the peer has only just shown the secret", overdue, 14_999],
  ])("is the new one with %s", (_, lastHandshakeMs, shownAgoMs) => {
    for (let ms = 0; ms < 60_000; ms += 1_000) {
      const handshakeMs = lastHandshakeMs === 0 ? 0 : lastHandshakeMs + ms;
      expect(keyInTurn(handshakeMs, shownAgoMs, NOW + ms)).toBe("next");
    }
  });

  test("is each in turn when the session should have been renewed: one attempt of three with the old one", () => {
    const turns = Array.from({ length: 60 }, (_, second) => keyInTurn(overdue, 60_000, NOW + second * 1_000));
    expect(turns.filter((turn) => turn === undefined)).toHaveLength(20);
  });
});
