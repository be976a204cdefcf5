import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endpointText, parseEndpoint } from "../../../src/core/types.ts";
import { SESSION_LIFETIME_MS } from "../../../src/peers/connected.ts";
import { changedFields, ENDPOINT_STALE_MS, mergeSighting } from "../../../src/peers/merge.ts";
import type { DiscoveryMethod, NatType, Peer, Sighting } from "../../../src/peers/peer.ts";
import { isMention } from "../../../src/peers/rank.ts";
import { cidr, ip, keyOf } from "../support/announcements.ts";
import { arbitrarySighting } from "../support/sightings.ts";
import { vectors } from "../support/vectors.ts";

const NOW = 1_767_225_600_000;

interface Step {
  readonly method: DiscoveryMethod;
  readonly endpoint: string;
  readonly hostname: string;
  readonly introducer: boolean;
  readonly mesh_ip: string;
  readonly nat_type: NatType;
  readonly routable_networks: readonly string[] | null;
  readonly after: After;
}

interface After {
  readonly discovered_via: readonly string[];
  readonly endpoint: string;
  readonly endpoint_method: string;
  readonly hostname: string;
  readonly introducer: boolean;
  readonly mesh_ip: string;
  readonly nat_type: string;
  readonly routable_networks: readonly string[];
}

/** Where we differ, by scenario and step, each with its reason. */
const OURS: Readonly<Record<string, Readonly<Record<number, Partial<After>>>>> = {
  "dht-ipv6-sync ranks as other (30)": {
    // The peer's own word replaces hearsay, whatever their ranks.
    1: { endpoint: "[2001:db8::1]:1", endpoint_method: "dht-ipv6-sync" },
  },
  "networks cannot be withdrawn by an empty list; introducer always follows the last message, also a transitive one":
    {
      // The owner's last word counts, so an empty list withdraws (weak point 23).
      1: { routable_networks: [] },
      // A third party changes neither what the owner said of itself nor its address (weak points 4 and 23).
      2: { routable_networks: [], introducer: true, mesh_ip: "10.1.1.1" },
      3: { routable_networks: [], mesh_ip: "10.1.1.1" },
    },
};

function sightingOf(step: Step): Sighting {
  const endpoint = parseEndpoint(step.endpoint);
  return {
    publicKey: keyOf(1),
    method: step.method,
    hostname: step.hostname,
    introducer: step.introducer,
    natType: step.nat_type,
    networks: (step.routable_networks ?? []).map(cidr),
    ...(step.mesh_ip === "" ? {} : { meshIp: ip(step.mesh_ip) }),
    ...(endpoint === null ? {} : { endpoint }),
  };
}

function afterOf(peer: Peer): After {
  return {
    discovered_via: peer.methods,
    endpoint: peer.endpoint === null ? "" : endpointText(peer.endpoint),
    endpoint_method: peer.endpoint === null ? "" : peer.endpointMethod,
    hostname: peer.hostname,
    introducer: peer.introducer,
    mesh_ip: peer.meshIp ?? "",
    nat_type: peer.natType,
    routable_networks: peer.networks,
  };
}

describe("vectors: peer_store_merge (informative; must differ where a third party speaks for the owner)", () => {
  test.each(vectors<{ steps: readonly Step[] }>("peer_store_merge"))("$what", ({ what, steps }) => {
    let peer: Peer | null = null;
    for (const [index, step] of steps.entries()) {
      peer = mergeSighting(peer, sightingOf(step), NOW);
      expect(afterOf(peer), `step ${index}`).toEqual({ ...step.after, ...OURS[what]?.[index] });
    }
  });
});

const direct: Sighting = {
  publicKey: keyOf(1),
  method: "dht",
  endpoint: { host: "203.0.113.5", port: 51820 },
  instance: "0123456789abcdef",
  knowsUs: true,
  introducer: true,
  networks: [cidr("192.168.5.0/24")],
};

describe("mergeSighting", () => {
  test("is idempotent: the same sighting at the same time changes nothing", () => {
    fc.assert(
      fc.property(fc.array(arbitrarySighting, { maxLength: 6 }), arbitrarySighting, (history, sighting) => {
        const start = history.reduce<Peer | null>((peer, earlier) => mergeSighting(peer, earlier, NOW), null);
        const once = mergeSighting(start, sighting, NOW);
        expect(mergeSighting(once, sighting, NOW)).toBe(once);
      }),
      { numRuns: 1000 },
    );
  });

  test("a mention never beats the owner's word", () => {
    const words = fc.array(
      arbitrarySighting.filter((sighting) => !isMention(sighting.method)),
      { minLength: 1 },
    );
    const mention = arbitrarySighting.filter((sighting) => isMention(sighting.method));
    fc.assert(
      fc.property(words, mention, fc.nat(3_600_000), (told, hearsay, laterMs) => {
        const before = told.reduce<Peer | null>((peer, word) => mergeSighting(peer, word, NOW), null);
        if (before === null) throw new Error("no word");
        const after = mergeSighting(before, hearsay, NOW + laterMs);
        const fillable = new Set<keyof Peer>(["methods"]);
        for (const field of ["hostname", "meshIp", "meshIpv6", "natType"] as const) {
          if (!before[field]) fillable.add(field);
        }
        if (before.endpoint === null) {
          for (const field of ["endpoint", "endpointMethod", "endpointAtMs"] as const) fillable.add(field);
        }
        for (const field of changedFields(before, after)) expect(fillable).toContain(field);
      }),
      { numRuns: 1000 },
    );
  });

  test("records are frozen, lists and endpoints included", () => {
    fc.assert(
      fc.property(arbitrarySighting, (sighting) => {
        const peer = mergeSighting(null, sighting, NOW);
        const parts = [peer, peer.methods, peer.networks, peer.endpoint, peer.controlEndpoint];
        expect(parts.every(Object.isFrozen)).toBe(true);
      }),
    );
  });

  test("a mention makes a peer that has not been seen and does not know us", () => {
    const peer = mergeSighting(null, { ...direct, method: "dht-transitive" }, NOW);
    expect(peer).toMatchObject({
      lastSeenMs: 0,
      knowsUs: false,
      introducer: false,
      networks: [],
      instance: "",
    });
    expect(peer.endpoint).toEqual(direct.endpoint);
  });

  test("the cache gives a new peer its old last-seen time, never one ahead of the clock", () => {
    const cached: Sighting = { publicKey: keyOf(1), method: "cache", seenAtMs: NOW - 5000 };
    expect(mergeSighting(null, cached, NOW).lastSeenMs).toBe(NOW - 5000);
    expect(mergeSighting(null, { ...cached, seenAtMs: NOW + 5000 }, NOW).lastSeenMs).toBe(NOW);
    const seen = mergeSighting(null, direct, NOW - 60_000);
    expect(mergeSighting(seen, cached, NOW).lastSeenMs).toBe(NOW - 60_000);
  });

  test("networks stay when a sighting says nothing about them, and go when it says there are none", () => {
    const peer = mergeSighting(null, direct, NOW);
    const { networks: _, ...silent } = direct;
    expect(mergeSighting(peer, silent, NOW).networks).toEqual(direct.networks);
    expect(mergeSighting(peer, { ...direct, networks: [] }, NOW).networks).toEqual([]);
  });

  test("a peer that started anew does not know us until it says so", () => {
    const peer = mergeSighting(null, direct, NOW);
    const { knowsUs: _, ...announce } = direct;
    expect(mergeSighting(peer, announce, NOW).knowsUs).toBe(true);
    const restarted = mergeSighting(peer, { ...announce, instance: "fedcba9876543210" }, NOW);
    expect(restarted.knowsUs).toBe(false);
    expect(mergeSighting(restarted, { ...direct, instance: "fedcba9876543210" }, NOW).knowsUs).toBe(true);
  });

  test("a LAN endpoint gives way once the peer has stopped announcing it", () => {
    const lan = mergeSighting(
      null,
      { ...direct, method: "lan", endpoint: { host: "192.168.1.2", port: 1 } },
      NOW,
    );
    expect(mergeSighting(lan, direct, NOW + ENDPOINT_STALE_MS).endpoint?.host).toBe("192.168.1.2");
    expect(mergeSighting(lan, direct, NOW + ENDPOINT_STALE_MS + 1).endpoint?.host).toBe("203.0.113.5");
  });

  test("a punched path that works outlasts what the owner believes of its address; one that does not gives way", () => {
    const punched = mergeSighting(
      null,
      { ...direct, method: "dht-rendezvous", endpoint: { host: "203.0.113.9", port: 7 }, proven: true },
      NOW,
    );
    const later = NOW + 10 * ENDPOINT_STALE_MS;
    const works = { ...punched, lastHandshakeMs: later - 1_000 };
    const word = { ...direct, proven: true };
    expect(mergeSighting(works, word, later).endpoint?.port).toBe(7);
    expect(mergeSighting(punched, word, later).endpoint?.port).toBe(51820);
    expect(mergeSighting(works, { ...word, method: "lan" }, later).endpoint?.port).toBe(51820);
  });

  test("a mention does not move a tunnel that works", () => {
    const mention: Sighting = { ...direct, method: "dht-transitive" };
    const other: Sighting = { ...mention, endpoint: { host: "198.51.100.9", port: 9 } };
    const peer = { ...mergeSighting(null, mention, NOW), lastHandshakeMs: NOW };
    expect(mergeSighting(peer, other, NOW + SESSION_LIFETIME_MS - 1).endpoint).toEqual(mention.endpoint);
    expect(mergeSighting(peer, other, NOW + SESSION_LIFETIME_MS).endpoint).toEqual(other.endpoint);
  });

  test("the control endpoint is where the peer itself spoke from last", () => {
    const controlEndpoint = { host: "203.0.113.5", port: 52000 };
    const peer = mergeSighting(null, { ...direct, controlEndpoint }, NOW);
    const elsewhere = { host: "198.51.100.1", port: 1 };
    const mention: Sighting = { ...direct, method: "gossip-transitive", controlEndpoint: elsewhere };
    expect(mergeSighting(peer, mention, NOW).controlEndpoint).toEqual(controlEndpoint);
    expect(mergeSighting(peer, { ...direct, controlEndpoint: elsewhere }, NOW).controlEndpoint).toEqual(
      elsewhere,
    );
  });
});
