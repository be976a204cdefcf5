import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint, PublicKey } from "../../../../src/core/types.ts";
import type { HealthEffect } from "../../../../src/mesh/health/state.ts";
import { HealthTable } from "../../../../src/mesh/health/table.ts";
import { HealthWatch } from "../../../../src/mesh/health/watch.ts";
import type { PathReport } from "../../../../src/peers/paths.ts";
import { startMesh, US } from "../meshInMemory.ts";
import { keyOf } from "../peers.ts";

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const ELSEWHERE: Endpoint = { host: "198.51.100.7", port: 51820 };

/** A reconciler over an interface in memory and the watch over both; who is in `well` answers. */
async function watched(numbers: readonly number[]) {
  const table = new HealthTable();
  const mesh = await startMesh({ keptOut: (publicKey) => table.isOut(publicKey) });
  const { clock, store, peerPaths, reconciler, backend } = mesh;
  const well = new Set<PublicKey>(numbers.map(keyOf));
  const told: [HealthEffect, PublicKey][] = [];
  const reports: PathReport[] = [];
  const asked: PublicKey[] = [];
  const watch = new HealthWatch({
    ...{ clock, store, table, paths: peerPaths, ownKey: US, random: { unit: () => 0.5 } },
    ask: ({ publicKey }, _thorough, timeoutMs) => {
      asked.push(publicKey);
      if (well.has(publicKey)) return Promise.resolve(clock.monotonicMs());
      return new Promise((resolve) => clock.after(timeoutMs, () => resolve(null)));
    },
    otherPlaces: () => [ELSEWHERE],
    restartHandshake: (publicKey, to) => reconciler.restartHandshake(publicKey, to),
    changed: () => reconciler.request(),
    tell: (effect, publicKey) => told.push([effect, publicKey]),
  });
  peerPaths.onReport((report) => reports.push(report));
  reconciler.onRead((peers) => watch.noted(peers));
  const abort = new AbortController();
  const ended = watch.run(abort.signal);
  ends.push(async () => {
    abort.abort();
    await ended;
  });
  const shake = (number: number): void => {
    const lastHandshakeMs = clock.wallMs();
    backend.meddle(keyOf(number), { lastHandshakeMs });
  };
  for (const number of numbers) mesh.see(number, { sentAtSeconds: 1 });
  await mesh.advance(20);
  for (const number of numbers) shake(number);
  /** Steps small enough for answers to come between them. */
  const pass = async (ms: number): Promise<void> => {
    for (let leftMs = ms; leftMs > 0; leftMs -= 500) {
      await mesh.advance(Math.min(leftMs, 500));
      for (const key of well) {
        const number = numbers.find((candidate) => keyOf(candidate) === key) ?? 0;
        const old = clock.wallMs() - (reconciler.actual(key)?.lastHandshakeMs ?? 0) > 120_000;
        if (old && reconciler.actual(key) !== undefined) shake(number);
      }
    }
  };
  return { ...mesh, table, watch, well, told, reports, asked, shake, pass };
}

const of = (told: readonly [HealthEffect, PublicKey][], number: number): HealthEffect[] =>
  told.filter(([, publicKey]) => publicKey === keyOf(number)).map(([effect]) => effect);

describe("of two peers one dies:", () => {
  test("it is looked for elsewhere, evicted with its routes, and the other is left in peace", async () => {
    const { backend, pass, store, table, told, well, reports } = await watched([1, 2]);
    await pass(30_000);
    expect(table.counts()).toMatchObject({ healthy: 2 });
    well.delete(keyOf(1));
    await pass(30_000);
    expect(["suspect", "reconnecting"]).toContain(table.stateOf(keyOf(1)));
    await pass(60_000);
    expect(reports).toContainEqual({ kind: "silent", publicKey: keyOf(1) });
    const tried = backend.batches
      .flat()
      .flatMap((change) => (change.kind === "retrigger" ? [change.peer] : []));
    expect(tried.map(({ publicKey }) => publicKey)).toContain(keyOf(1));
    expect(tried.map(({ publicKey }) => publicKey)).not.toContain(keyOf(2));
    expect(tried.map(({ endpoint }) => endpoint?.host)).toContain(ELSEWHERE.host);
    await pass(150_000);
    expect(store.get(keyOf(1))).toBeUndefined();
    expect(backend.peerCount).toBe(1);
    expect(table.stateOf(keyOf(1))).toBe("cooling");
    expect(table.stateOf(keyOf(2))).toBe("healthy");
    expect(of(told, 2).filter((effect) => effect !== "ask")).toEqual([]);
  });

  test("what others say of it afterwards does not bring it back to the interface, its own word does", async () => {
    const { advance, backend, pass, see, shake, store, table, well } = await watched([1, 2]);
    await pass(30_000);
    well.delete(keyOf(1));
    await pass(240_000);
    expect(backend.peerCount).toBe(1);
    see(1, { method: "dht-transitive", ageSeconds: 0, sentAtSeconds: 0 });
    await pass(10_000);
    see(1, { method: "gossip-transitive", ageSeconds: 0, sentAtSeconds: 0 });
    await advance(100);
    expect(backend.peerCount).toBe(1);
    see(1, { method: "dht", sentAtSeconds: 1_000 });
    await advance(100);
    expect(store.get(keyOf(1))).toBeDefined();
    expect(backend.peerCount).toBe(2);
    expect(table.stateOf(keyOf(1))).toBe("reconnecting");
    well.add(keyOf(1));
    shake(1);
    await pass(5_000);
    expect(table.stateOf(keyOf(1))).toBe("healthy");
  });

  test("a path that punching or a relay has proved is a word of its own", async () => {
    const { backend, advance, pass, peerPaths, see, well } = await watched([1, 2]);
    await pass(30_000);
    well.delete(keyOf(1));
    await pass(240_000);
    see(1, { method: "dht-transitive", ageSeconds: 0, sentAtSeconds: 0 });
    await advance(100);
    expect(backend.peerCount).toBe(1);
    peerPaths.set(keyOf(1), { kind: "direct", endpoint: ELSEWHERE });
    await advance(100);
    expect(backend.peerCount).toBe(2);
  });

  test("it comes back while it is looked for: it is healthy with its first answer", async () => {
    const { pass, table, told, well, reports } = await watched([1]);
    await pass(30_000);
    well.delete(keyOf(1));
    await pass(60_000);
    expect(table.stateOf(keyOf(1))).toBe("reconnecting");
    well.add(keyOf(1));
    await pass(3_000);
    expect(table.stateOf(keyOf(1))).toBe("healthy");
    expect(of(told, 1).at(-1)).toBe("recovered");
    expect(reports.at(-1)).toEqual({ kind: "heard", publicKey: keyOf(1) });
  });
});

test("a peer that said goodbye is out until it speaks again", async () => {
  const { advance, backend, pass, see, store, table } = await watched([1]);
  await pass(10_000);
  store.remove(keyOf(1), "goodbye", 500);
  await advance(100);
  expect(table.stateOf(keyOf(1))).toBe("cooling");
  see(1, { method: "dht-transitive", ageSeconds: 0, sentAtSeconds: 0 });
  await pass(10_000);
  expect(backend.peerCount).toBe(0);
  see(1, { method: "dht", sentAtSeconds: 501 });
  await advance(100);
  expect(backend.peerCount).toBe(1);
});

test("a peer that gave its place away is not asked any more, though the interface shows a handshake of it", async () => {
  const { asked, pass, shake, store, table } = await watched([1, 2]);
  store.remove(keyOf(2), "replaced");
  shake(2);
  await pass(60_000);
  expect(table.get(keyOf(2))).toBeUndefined();
  expect(table.counts()).toMatchObject({ healthy: 1 });
  expect(asked).not.toContain(keyOf(2));
});

test("dead peers do not hold up the others: all are asked in the same seconds (weak point 34)", async () => {
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1);
  const { asked, clock, pass, table, well } = await watched(numbers);
  await pass(60_000);
  well.clear();
  well.add(keyOf(200));
  asked.splice(0);
  const startMs = clock.monotonicMs();
  await pass(240_000);
  expect(table.stateOf(keyOf(200))).toBe("healthy");
  expect(new Set(asked).size).toBe(200);
  expect(asked.length).toBeLessThan(210 * 25);
  // Everybody but the one is out, and in time.
  expect(table.counts()).toMatchObject({ healthy: 1, cooling: 199 });
  expect(clock.monotonicMs() - startMs).toBe(240_000);
});

test("a peer that asks us, from its mesh address, is well", async () => {
  const { asked, pass, store, table, watch, well } = await watched([1]);
  await pass(30_000);
  well.delete(keyOf(1));
  asked.splice(0);
  for (let round = 0; round < 10; round += 1) {
    watch.asked(store.get(keyOf(1))?.meshIp ?? "");
    watch.asked("203.0.113.9");
    await pass(10_000);
  }
  expect(asked).toEqual([]);
  expect(table.stateOf(keyOf(1))).toBe("healthy");
});
