import { describe, expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import type { PublicKey } from "../../../src/core/types.ts";
import { Forwarder, type ForwarderOptions } from "../../../src/discovery/relay/forwarder.ts";
import {
  decideGoRelay,
  type GoRelayFacts,
  GoRelayHold,
  goRelayOf,
} from "../../../src/discovery/relay/goRelay.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import type { DiscoveryMethod, NatType, Sighting } from "../../../src/peers/peer.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { vectors } from "../support/vectors.ts";
import { FakeClock } from "./fakeClock.ts";
import { ownWords, testAddresses, testKey } from "./memoryMesh.ts";

interface DecisionVector {
  readonly what: string;
  readonly discovered_via?: readonly DiscoveryMethod[];
  readonly endpoint: string;
  /** 0 for never. */
  readonly handshake_age_s: number;
  readonly local_nat: NatType;
  readonly peer_nat: NatType;
  readonly peer_is_introducer: boolean;
  readonly relay_candidates: number;
  readonly relay: boolean;
}

interface SelectionVector {
  readonly local: PublicKey;
  readonly peer: PublicKey;
  readonly candidates: readonly PublicKey[];
  readonly relay: PublicKey;
  readonly relay_seen_from_the_peer: PublicKey;
}

/** The traces show the trap of weak point 20 and are for information. */
const decisions = vectors<DecisionVector>("relay_decisions").filter((entry) => "relay" in entry);

function factsOf(vector: DecisionVector): GoRelayFacts {
  return {
    // Not in the vectors but by these words.
    weIntroduce: vector.what === "we are an introducer",
    forced: vector.what.startsWith("force-relay"),
    peerIntroduces: vector.peer_is_introducer,
    methods: vector.discovered_via ?? [],
    isLocal: false,
    isIpv6: vector.endpoint.startsWith("["),
    candidates: vector.relay_candidates,
    handshakeAgeSeconds: vector.handshake_age_s === 0 ? null : vector.handshake_age_s,
    localNat: vector.local_nat,
    peerNat: vector.peer_nat,
  };
}

describe("the way of Go nodes", () => {
  test.each(decisions.map((vector) => [vector.what, vector] as const))("decision: %s", (_what, vector) => {
    expect(decideGoRelay(factsOf(vector))).toBe(vector.relay ? "relay" : "direct");
  });

  test("all decisions of the vectors were looked at", () => {
    expect(decisions.length).toBeGreaterThanOrEqual(13);
  });

  test("a peer on a network of ours is never relayed", () => {
    const [first] = decisions.filter(({ relay }) => relay);
    if (first === undefined) throw new Error("no vector");
    expect(decideGoRelay({ ...factsOf(first), isLocal: true })).toBe("direct");
  });

  test("selection: by the order of the two keys, as in the vectors", () => {
    const selections = vectors<SelectionVector>("relay_selection");
    expect(selections.length).toBeGreaterThan(0);
    for (const { local, peer, candidates, relay, relay_seen_from_the_peer } of selections) {
      expect(goRelayOf(local, peer, [...candidates].reverse())).toBe(relay);
      expect(goRelayOf(peer, local, candidates)).toBe(relay_seen_from_the_peer);
    }
    expect(goRelayOf(testKey("a"), testKey("b"), [])).toBeNull();
  });

  test("a relay is left after three cycles in a row", () => {
    const hold = new GoRelayHold();
    const said = (
      ["direct", "relay", "direct", "direct", "relay", "direct", "direct", "direct"] as const
    ).map((decision) => hold.next(decision));
    expect(said).toEqual(["direct", "relay", "relay", "relay", "relay", "relay", "relay", "direct"]);
  });
});

describe("Forwarder", () => {
  const own = testKey("own");
  const go = testKey("go");
  const introducers = ["i1", "i2", "i3"].map(testKey);

  function setUp(change: Partial<ForwarderOptions> = {}) {
    const clock = new FakeClock();
    const self = new LocalNode(ownWords("own"));
    const store = new PeerStore({
      ...{ clock, self, ownKey: own, addresses: testAddresses },
      ...{ strictAddresses: false, noIpv6: false },
    });
    const paths = new PathTable();
    const see = (publicKey: PublicKey, sighting: Partial<Sighting> = {}): void => {
      store.observe({
        publicKey,
        method: "dht",
        meshIp: testAddresses.meshIpv4(publicKey, 0) as NonNullable<Sighting["meshIp"]>,
        endpoint: { host: "198.51.100.9", port: 51_820 },
        ...sighting,
      });
    };
    for (const key of introducers) see(key, { introducer: true });
    const forwarder = new Forwarder({
      ...{ clock, store, self, paths, log: silentLog, trusted: [] },
      ...{ forced: false, allowed: true, isLocal: () => false },
      ...change,
    });
    return { clock, store, paths, see, forwarder };
  }

  test("takes the introducer that the peer takes towards us", () => {
    const { paths, see, forwarder, store, clock } = setUp();
    see(go);
    store.noteHandshake(go, clock.wallMs() - 200_000);
    forwarder.cycle();
    expect(paths.get(go)).toEqual({ kind: "forwarded", via: goRelayOf(go, own, introducers) });
  });

  test("without permission says why there is no path, and forwards nothing", () => {
    const { paths, see, forwarder, store, clock } = setUp({ allowed: false });
    see(go);
    store.noteHandshake(go, clock.wallMs() - 200_000);
    forwarder.cycle();
    expect(paths.get(go)).toMatchObject({
      kind: "impossible",
      reason: expect.stringContaining("--allow-plaintext-relay"),
    });
    store.noteHandshake(go, clock.wallMs());
    for (let cycle = 0; cycle < 3; cycle += 1) forwarder.cycle();
    expect(paths.get(go).kind).toBe("direct");
  });

  test("without permission a direct path that works stays, also with --force-relay", () => {
    const { paths, see, forwarder, store, clock } = setUp({ allowed: false, forced: true });
    see(go);
    store.noteHandshake(go, clock.wallMs());
    forwarder.cycle();
    expect(paths.get(go).kind).toBe("direct");
  });

  test("leaves nodes of ours alone, which have a relay that cannot read", () => {
    const { paths, see, forwarder, store, clock } = setUp();
    see(go, { instance: "0123456789abcdef" });
    store.noteHandshake(go, clock.wallMs() - 200_000);
    forwarder.cycle();
    expect(paths.get(go).kind).toBe("direct");
  });

  test("takes trusted introducers only, and none that fell silent", async () => {
    const trusted = setUp({ trusted: introducers.slice(0, 1) });
    trusted.see(go);
    trusted.store.noteHandshake(go, trusted.clock.wallMs() - 200_000);
    trusted.forwarder.cycle();
    expect(trusted.paths.get(go)).toEqual({ kind: "forwarded", via: introducers[0] });
    await trusted.clock.advance(95_000);
    for (let cycle = 0; cycle < 3; cycle += 1) trusted.forwarder.cycle();
    expect(trusted.paths.get(go).kind).toBe("direct");
  });
});
