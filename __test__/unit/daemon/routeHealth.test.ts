import { describe, expect, test } from "vitest";
import type { Cidr, PublicKey } from "../../../src/core/types.ts";
import type { NodeParts } from "../../../src/daemon/parts.ts";
import { RouteHealth } from "../../../src/daemon/routeHealth.ts";
import { newHealth, rulesFor } from "../../../src/mesh/health/state.ts";
import { HealthTable } from "../../../src/mesh/health/table.ts";
import type { PeerHealthState } from "../../../src/peers/healthState.ts";
import type { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { makeMesh, startMesh } from "../mesh/meshInMemory.ts";
import { keyOf } from "../mesh/peers.ts";
import { MemoryLog } from "../support/memoryLog.ts";

const NETWORK = "192.168.7.0/24" as Cidr;

/** A node that has the network from peer 1, and could have it from peer 2. */
async function routed() {
  const health = new HealthTable();
  const { clock } = await makeMesh();
  const parts = {
    ...{ clock, log: new MemoryLog(), system: { sentBytes: () => 0 }, options: { interfaceName: "wg0" } },
    troubles: { raise: () => {}, clear: () => {} },
  } as unknown as NodeParts;
  let routes: RouteHealth | null = null;
  const mesh = await startMesh({ isUsable: (publicKey) => routes?.isUsable(publicKey) ?? true });
  const { reconciler, backend, store, self, peerPaths: paths } = mesh;
  routes = new RouteHealth({ ...parts, clock: mesh.clock }, health);
  const asked: PublicKey[] = [];
  routes.start(
    { backend: backend as unknown as ReplaceableBackend, reconciler, paths, store, self },
    { start: () => {} },
    { ask: () => Promise.resolve(), silent: (peers) => asked.push(...peers) },
  );
  const become = (number: number, state: PeerHealthState): void => {
    const read = { type: "read", handshakeMs: 1, handshakeAgeMs: 0, rxBytes: 0 } as const;
    health.set(keyOf(number), { ...newHealth(read, mesh.clock.monotonicMs(), rulesFor(true, 2)), state });
  };
  for (const number of [1, 2]) mesh.see(number, { networks: [NETWORK] });
  await mesh.advance(100);
  for (const number of [1, 2]) backend.meddle(keyOf(number), { lastHandshakeMs: mesh.clock.wallMs() });
  for (const number of [1, 2]) become(number, "healthy");
  await mesh.advance(10_000);
  const holders = (): number[] =>
    [1, 2].filter((number) => backend.peer(keyOf(number))?.allowedIps.includes(NETWORK));
  return { ...mesh, become, holders };
}

describe("a network that two peers advertise", () => {
  test.each(["suspect", "reconnecting"] as const)(
    "moves within 2 s when the one that has it is %s, and nobody sends anything there",
    async (state) => {
      const { advance, become, holders } = await routed();
      expect(holders()).toEqual([1]);
      become(1, state);
      await advance(2_000);
      expect(holders()).toEqual([2]);
    },
  );

  test("stays where it is when the other one is suspect, and when the first is well again", async () => {
    const { advance, become, holders } = await routed();
    become(2, "suspect");
    await advance(2_000);
    expect(holders()).toEqual([1]);
    become(2, "healthy");
    await advance(11_000);
    become(1, "suspect");
    await advance(2_000);
    expect(holders()).toEqual([2]);
    become(1, "healthy");
    await advance(11_000);
    expect(holders()).toEqual([2]);
  });

  test("goes back to who was well again for ten seconds when the other one fails", async () => {
    const { advance, become, holders } = await routed();
    become(1, "suspect");
    await advance(2_000);
    become(1, "healthy");
    await advance(11_000);
    become(2, "suspect");
    await advance(2_000);
    expect(holders()).toEqual([1]);
  });

  test("stays with the one that has it when both are in trouble: it may be this node's own", async () => {
    const { advance, become, holders } = await routed();
    become(1, "suspect");
    become(2, "suspect");
    await advance(2_000);
    expect(holders()).toHaveLength(1);
    become(1, "reconnecting");
    become(2, "reconnecting");
    const before = holders();
    await advance(30_000);
    expect(holders()).toEqual(before);
  });
});
