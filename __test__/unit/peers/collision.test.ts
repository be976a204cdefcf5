import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import type { AddressDerivation } from "../../../src/peers/addresses.ts";
import {
  type Claimant,
  keepsAddress,
  nextAddress,
  SETTLE_MS,
  settle,
  settlesAtMs,
  UNSETTLED,
} from "../../../src/peers/collision.ts";
import { addressOf, MAX_NONCE, nonceOf } from "../../../src/peers/derivedAddresses.ts";
import { ip, keyOf } from "../support/announcements.ts";
import { testDerivation } from "../support/derivation.ts";
import { type CollidingNode, CollisionMesh } from "./collisionMesh.ts";

const claimant = (number: number, change: Partial<Claimant> = {}): Claimant => ({
  ...{ publicKey: keyOf(number), ours: true, settled: false, derived: true },
  ...change,
});

const arbitraryClaimant = (number: number) =>
  fc
    .record({ ours: fc.boolean(), settled: fc.boolean(), derived: fc.boolean() })
    .map((change) => claimant(number, change));

describe("who keeps an address", () => {
  test("is the lower key, in byte order of the text", () => {
    const [lower, higher] = [claimant(1), claimant(2)];
    expect(lower.publicKey < higher.publicKey).toBe(true);
    expect(keepsAddress(lower, higher)).toBe(true);
    expect(keepsAddress(higher, lower)).toBe(false);
  });

  test("is among ours the settled one, whatever the keys", () => {
    expect(keepsAddress(claimant(2, { settled: true }), claimant(1))).toBe(true);
    expect(keepsAddress(claimant(1), claimant(2, { settled: true }))).toBe(false);
    expect(keepsAddress(claimant(1, { settled: true }), claimant(2, { settled: true }))).toBe(true);
  });

  test("is towards a Go node the lower key, settled or not", () => {
    const go = claimant(1, { ours: false });
    expect(keepsAddress(claimant(2, { settled: true }), go)).toBe(false);
    expect(keepsAddress(claimant(0), go)).toBe(true);
  });

  test("is whoever derives it before whoever was only the first there", () => {
    expect(keepsAddress(claimant(2), claimant(1, { derived: false, settled: true }))).toBe(true);
  });

  test("is always exactly one of the two", () => {
    fc.assert(
      fc.property(arbitraryClaimant(1), arbitraryClaimant(2), (one, other) => {
        expect(keepsAddress(one, other)).toBe(!keepsAddress(other, one));
      }),
    );
  });
});

describe("where the loser goes", () => {
  const search = { publicKey: keyOf(1), family: "ipv4" as const, derivation: testDerivation, strict: false };
  const derived = Array.from({ length: MAX_NONCE + 1 }, (_, nonce) =>
    ip(testDerivation.meshIpv4(keyOf(1), nonce)),
  );

  test("is nonce 1 as the Go peer has it, then those after it", () => {
    for (const count of [1, 2, 5, 10]) {
      const taken = new Set<string>(derived.slice(0, count));
      expect(nextAddress({ ...search, isTaken: (address) => taken.has(address) })).toBe(derived[count]);
    }
  });

  test("goes on beyond the nonces that all derive, but not with --strict-addresses", () => {
    const taken = new Set<string>(derived);
    const isTaken = (address: IpAddress): boolean => taken.has(address);
    expect(nextAddress({ ...search, isTaken })).toBe(testDerivation.meshIpv4(keyOf(1), MAX_NONCE + 1));
    expect(nextAddress({ ...search, isTaken, strict: true })).toBeNull();
  });

  test("is nowhere in a network that is full", () => {
    expect(nextAddress({ ...search, isTaken: () => true })).toBeNull();
  });

  test("is for IPv6 the next interface identifier, which is known as the key's own", () => {
    const first = ip(testDerivation.meshIpv6(keyOf(1)));
    const next = nextAddress({ ...search, family: "ipv6", isTaken: (address) => address === first });
    expect(next).not.toBe(first);
    expect(next !== null && nonceOf(testDerivation, keyOf(1), next)).toBe(1);
    expect(nonceOf(testDerivation, keyOf(2), next as IpAddress)).toBeNull();
  });

  test("an IPv6 identifier that ends in ffff goes on with 0", () => {
    const last = { ...testDerivation, meshIpv6: () => "fd00:1:2:3::ffff" };
    expect(addressOf(last, keyOf(1), "ipv6", 1)).toBe("fd00:1:2:3::");
    expect(addressOf(last, keyOf(1), "ipv6", 2)).toBe("fd00:1:2:3::1");
  });
});

describe("a node is settled", () => {
  const up = settle(UNSETTLED, { type: "tunnels", up: true }, 1_000);

  test("when a tunnel has worked for a while and nobody contested its addresses", () => {
    expect(settlesAtMs(up)).toBe(1_000 + SETTLE_MS);
    expect(settle(up, { type: "time" }, 1_000 + SETTLE_MS - 1).settled).toBe(false);
    expect(settle(up, { type: "time" }, 1_000 + SETTLE_MS).settled).toBe(true);
    const contested = settle(up, { type: "contested" }, 5_000);
    expect(settle(contested, { type: "time" }, 1_000 + SETTLE_MS).settled).toBe(false);
    expect(settlesAtMs(contested)).toBe(5_000 + SETTLE_MS);
  });

  test("until it moves, whatever becomes of its tunnels and whoever contests", () => {
    let state = settle(up, { type: "time" }, 20_000);
    for (const event of [{ type: "contested" }, { type: "tunnels", up: false }, { type: "time" }] as const)
      state = settle(state, event, 30_000);
    expect(state.settled).toBe(true);
    expect(settle(state, { type: "moved" }, 30_000)).toEqual(UNSETTLED);
  });

  test("never without a tunnel", () => {
    expect(settlesAtMs(UNSETTLED)).toBeNull();
    expect(settle(UNSETTLED, { type: "time" }, 1e9).settled).toBe(false);
    expect(settlesAtMs(settle(up, { type: "tunnels", up: false }, 2_000))).toBeNull();
  });
});

/** There are only so many normal addresses, and few others: losers clash again. */
function clashing(hosts: number, normal = 1): AddressDerivation {
  const known = new Map<string, number>();
  const hostOf = (text: string): number => {
    const host = known.get(text) ?? createHash("sha256").update(text).digest().readUInt32BE(0) % hosts;
    known.set(text, host);
    return host;
  };
  const at = (host: number): string => `10.8.${host >> 8}.${host & 255}`;
  return {
    ...testDerivation,
    meshIpv4: (publicKey, nonce) =>
      at(nonce === 0 ? 1 + (hostOf(publicKey) % normal) : 1 + hostOf(`${publicKey}${nonce}`)),
  };
}

describe("nodes with one address", () => {
  const wishes = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ publicKey: keyOf(index + 1) }));

  test("that meet: the lower key keeps it, the other moves, tells it, and has it on disk", async () => {
    const mesh = new CollisionMesh(clashing(200), wishes(2));
    const [lower, higher] = mesh.nodes;
    await mesh.calmDown(1);
    expect(mesh.faults()).toEqual([]);
    expect(lower?.meshIp).toBe("10.8.0.1");
    expect(higher?.meshIp).toBe(mesh.derivation.meshIpv4(keyOf(2), 1));
    expect(higher?.events.list({ types: ["address.moved"] })).toMatchObject([
      { peer: keyOf(1), data: { from: "10.8.0.1", to: higher?.meshIp } },
    ]);
    expect(higher?.troubles.list().map(({ text }) => text)).toEqual([
      expect.stringContaining("moved from 10.8.0.1"),
    ]);
    higher?.start(false);
    await mesh.calmDown(1);
    expect(mesh.faults()).toEqual([]);
    expect(higher?.meshIp).toBe(mesh.derivation.meshIpv4(keyOf(2), 1));
    expect(higher?.troubles.list()).toEqual([]);
  });

  test("the notice of the move ends after an hour", async () => {
    const mesh = new CollisionMesh(clashing(200), wishes(2));
    await mesh.calmDown(1);
    expect(mesh.nodes[1]?.troubles.list()).toHaveLength(1);
    await mesh.wait(3_600_000);
    expect(mesh.nodes[1]?.troubles.list()).toEqual([]);
  });

  test("one that lives there keeps it against a lower key that comes later", async () => {
    const mesh = new CollisionMesh(clashing(200), [
      { publicKey: keyOf(9) },
      { publicKey: keyOf(5), pinned: ip("10.8.7.7") },
    ]);
    await mesh.calmDown(3);
    const [resident, third] = mesh.nodes;
    expect(resident?.self.snapshot.settled).toBe(true);
    const late = mesh.add({ publicKey: keyOf(1) });
    await mesh.calmDown(1);
    expect(mesh.faults()).toEqual([]);
    expect(resident?.meshIp).toBe("10.8.0.1");
    expect(late.meshIp).not.toBe("10.8.0.1");
    expect(third?.events.list({ types: ["address.moved"] })).toEqual([]);
  });

  test("of which one is a Go node: ours moves when its key is the higher, and stays when it is the lower", async () => {
    const lowerGo = new CollisionMesh(clashing(200), [
      { publicKey: keyOf(1), ours: false },
      { publicKey: keyOf(2) },
    ]);
    await lowerGo.calmDown(2);
    expect(lowerGo.nodes[0]?.meshIp).toBe("10.8.0.1");
    expect(lowerGo.nodes[1]?.meshIp).toBe(lowerGo.derivation.meshIpv4(keyOf(2), 1));
    const higherGo = new CollisionMesh(clashing(200), [
      { publicKey: keyOf(1) },
      { publicKey: keyOf(2), ours: false },
    ]);
    await higherGo.calmDown(2);
    expect(higherGo.nodes[0]?.meshIp).toBe("10.8.0.1");
    expect(higherGo.nodes[0]?.store.get(keyOf(2))?.meshIp).toBeNull();
  });

  test("of which a Go node is the loser, which never moves: ours says so once they have a tunnel, until it is gone", async () => {
    const mesh = new CollisionMesh(clashing(200), [
      { publicKey: keyOf(1) },
      { publicKey: keyOf(2), ours: false },
    ]);
    const [ours] = mesh.nodes as [CollidingNode];
    await mesh.calmDown(1);
    // Anybody could have said so.
    expect(ours.troubles.list()).toEqual([]);
    ours.store.noteHandshake(keyOf(2), mesh.clock.wallMs());
    await mesh.calmDown(2);
    expect(ours.troubles.list().map(({ text }) => text)).toEqual([
      expect.stringMatching(/^peer \S+ has the mesh address 10\.8\.0\.1 of this node too.*does not move/),
    ]);
    ours.store.remove(keyOf(2), "expired");
    expect(ours.troubles.list()).toEqual([]);
  });

  test("of IPv6, given by hand: who derives it keeps it, whatever the keys, and all know both", async () => {
    const shared = ip(testDerivation.meshIpv6(keyOf(2)));
    const mesh = new CollisionMesh(testDerivation, [
      { publicKey: keyOf(1), pinnedIpv6: shared },
      { publicKey: keyOf(2) },
      { publicKey: keyOf(3) },
    ]);
    await mesh.calmDown(1);
    const [moved, owner] = mesh.nodes;
    expect(owner?.self.snapshot.meshIpv6).toBe(shared);
    expect(moved?.self.snapshot.meshIpv6).toBe(testDerivation.meshIpv6(keyOf(1)));
    expect(moved?.disk.meshIpv6).toBe(testDerivation.meshIpv6(keyOf(1)));
    for (const [from, to] of mesh.pairs())
      expect(from.store.get(to.publicKey)?.meshIpv6).toBe(to.self.snapshot.meshIpv6);
    expect(mesh.faults()).toEqual([]);
  });

  test("that have lived apart, each settled: the lower key keeps it when the halves meet", async () => {
    const apart = [20, 21].map((number) => ({ publicKey: keyOf(number), pinned: ip(`10.8.99.${number}`) }));
    const mesh = new CollisionMesh(clashing(200), [...wishes(2), ...apart]);
    const [lower, higher, friend, other] = mesh.nodes as [
      CollidingNode,
      CollidingNode,
      CollidingNode,
      CollidingNode,
    ];
    mesh.meet(lower, friend);
    mesh.meet(higher, other);
    await mesh.wait(SETTLE_MS);
    expect([lower, higher].map(({ self }) => self.snapshot.settled)).toEqual([true, true]);
    await mesh.calmDown(1);
    expect(mesh.faults()).toEqual([]);
    expect(lower.meshIp).toBe("10.8.0.1");
  });

  test("one that cannot write its state file moves all the same", async () => {
    const mesh = new CollisionMesh(clashing(200), wishes(2));
    const [, higher] = mesh.nodes as [CollidingNode, CollidingNode];
    higher.broken = new Error("no space left on device");
    await mesh.calmDown(1);
    expect(higher.meshIp).toBe(mesh.derivation.meshIpv4(keyOf(2), 1));
    expect(higher.onInterface).toBe(higher.meshIp);
  });

  test("agree in every order of announcements, losses, tunnels and restarts, and one keeps the address", async () => {
    const node = fc.nat(5);
    const step = fc.oneof(
      fc.record({
        kind: fc.constantFrom("send" as const, "deliver" as const, "lose" as const),
        from: node,
        to: node,
      }),
      fc.record({ kind: fc.constantFrom("connect" as const, "meet" as const), from: node, to: node }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(4_000, 11_000) }),
      fc.record({ kind: fc.constant("restart" as const), from: node, cached: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }),
        fc.nat(2),
        fc.array(step, { maxLength: 60 }),
        async (claimants, thirds, steps) => {
          const third = (index: number) => ({
            publicKey: keyOf(index * 2 + 20),
            pinned: ip(`10.8.99.${index + 1}`),
          });
          const mesh = new CollisionMesh(clashing(12), [
            ...wishes(claimants),
            ...Array.from({ length: thirds }, (_, index) => third(index)),
          ]);
          const { nodes } = mesh;
          const at = (index: number) => nodes[index % nodes.length] as (typeof nodes)[number];
          let restarts = 0;
          for (const one of steps) {
            if (one.kind === "wait") await mesh.wait(one.ms);
            else if (one.kind === "restart") {
              at(one.from).start(one.cached);
              restarts += 1;
            } else if (at(one.from) !== at(one.to)) mesh[one.kind](at(one.from), at(one.to));
          }
          await mesh.calmDown();
          expect(mesh.faults()).toEqual([]);
          const keepers = nodes.filter(({ meshIp }) => meshIp === "10.8.0.1");
          if (restarts === 0) expect(keepers).toHaveLength(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("are 300, ten to each address in a network of 4,000, and settle", () => {
    const mesh = new CollisionMesh(clashing(4_000, 30), wishes(300));
    expect(new Set(mesh.nodes.map(({ meshIp }) => meshIp)).size).toBeLessThanOrEqual(30);
    mesh.hearAll();
    expect(mesh.faults()).toEqual([]);
  }, 120_000);
});
