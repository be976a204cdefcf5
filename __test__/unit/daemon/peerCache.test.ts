import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import { keepPeerCache, loadPeerCache, RememberedPeers } from "../../../src/daemon/peerCache.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { decodePeerCache } from "../../../src/peers/cacheFile.ts";
import { clock, mention, open, store, word } from "../peers/storeFixture.ts";
import { ip, keyOf } from "../support/announcements.ts";

const DAY_MS = 24 * 3_600_000;
const endpoint = { host: "192.0.2.7", port: 51820 };

const mesh = { networkId: "ab".repeat(20) };

let folder: string;
let abort: AbortController;
let ended: Promise<unknown>;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-cache-"));
  abort = new AbortController();
  open();
});

afterEach(async () => {
  abort.abort();
  await ended;
  rmSync(folder, { recursive: true });
});

function keep(): string {
  const file = path.join(folder, "wg0-peers.json");
  const keeping = { clock, troubles: new TroubleRegistry(clock, silentLog), store };
  const peers = new RememberedPeers(store, { path: file, mesh, clock });
  ended = keepPeerCache({ ...keeping, peers, everyMs: 300_000 }, abort.signal).catch(() => {});
  return file;
}

/** Time passes, and what is written is on the disk. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await new Promise((resolve) => setTimeout(resolve, 40));
}

function keysIn(file: string): string[] {
  return decodePeerCache(readFileSync(file, "utf8"), clock.wallMs()).sightings.map(
    ({ publicKey }) => publicKey,
  );
}

describe("the peer cache", () => {
  test("is saved moments after news, and a burst of them at once", async () => {
    const file = keep();
    store.observe(word(1, { endpoint }));
    store.observe(word(2, { endpoint }));
    await pass(0);
    expect(() => readFileSync(file)).toThrow();
    await pass(500);
    await vi.waitFor(() => expect(keysIn(file)).toEqual([keyOf(1), keyOf(2)]), 10_000);
  });

  test("is saved again for further news after a pause, and not without any", async () => {
    const file = keep();
    store.observe(word(1, { endpoint }));
    await pass(0);
    await pass(500);
    await vi.waitFor(() => expect(keysIn(file)).toEqual([keyOf(1)]), 10_000);
    rmSync(file);
    store.observe(word(1, { endpoint }));
    await pass(2_000);
    await pass(60_000);
    expect(() => readFileSync(file)).toThrow();
    store.observe(word(2, { endpoint }));
    await pass(0);
    await pass(500);
    await vi.waitFor(() => expect(keysIn(file)).toEqual([keyOf(1), keyOf(2)]), 10_000);
  });

  test("keeps for a day whom nobody heard any more, but not who said goodbye, nor who was only mentioned", () => {
    ended = Promise.resolve();
    const peers = new RememberedPeers(store, { path: path.join(folder, "none"), mesh, clock });
    for (const number of [1, 2, 3]) store.observe(word(number, { endpoint }));
    store.observe(mention(4, { endpoint }));
    store.remove(keyOf(1), "expired");
    store.remove(keyOf(2), "evicted");
    store.remove(keyOf(3), "goodbye");
    store.remove(keyOf(4), "expired");
    const keys = (): string[] => peers.list(clock.wallMs()).map(({ publicKey }) => publicKey);
    expect(keys()).toEqual([keyOf(1), keyOf(2)]);
    store.observe(word(1, { endpoint }));
    expect(keys()).toEqual([keyOf(1), keyOf(2)]);
    clock.advance(DAY_MS + 1);
    expect(keys()).toEqual([keyOf(1)]);
  });

  test("forgets who is left behind by a move to a new secret, and on demand all who are lost, on the disk too", async () => {
    ended = Promise.resolve();
    const file = path.join(folder, "wg0-peers.json");
    const peers = new RememberedPeers(store, { path: file, mesh, clock });
    for (const number of [1, 2, 3]) store.observe(word(number, { endpoint }));
    store.remove(keyOf(2), "expired");
    store.remove(keyOf(3), "left-behind");
    await peers.save();
    expect(keysIn(file)).toEqual([keyOf(1), keyOf(2)]);
    await peers.forgetLost();
    expect(keysIn(file)).toEqual([keyOf(1)]);
  });

  test("never has an older list in the place of a newer one", async () => {
    ended = Promise.resolve();
    const file = path.join(folder, "wg0-peers.json");
    const peers = new RememberedPeers(store, { path: file, mesh, clock });
    for (let number = 1; number <= 20; number += 1) store.observe(word(number, { endpoint }));
    const first = peers.save();
    for (let number = 2; number <= 20; number += 1) store.remove(keyOf(number), "left-behind");
    await Promise.all([first, peers.save(), peers.forgetLost()]);
    expect(keysIn(file)).toEqual([keyOf(1)]);
  });
});

describe("the peer cache of another mesh", () => {
  const another = { networkId: "cd".repeat(20) };
  const load = (networkId: string, isMoved: boolean): Promise<void> =>
    loadPeerCache(
      path.join(folder, "wg0-peers.json"),
      store,
      { networkId, isMoved },
      clock.wallMs(),
      silentLog,
    );
  beforeEach(async () => {
    ended = Promise.resolve();
    store.observe(word(1, { endpoint, proven: true, meshIp: ip("10.8.200.1") }));
    await new RememberedPeers(store, { path: path.join(folder, "wg0-peers.json"), mesh, clock }).save();
    open();
  });

  test("is a list of places to ask, of whom nobody is told and which are not kept", async () => {
    await load(another.networkId, false);
    expect(store.get(keyOf(1))).toMatchObject({ endpoint, meshIp: null, proven: false, lastSeenMs: 0 });
    const again = path.join(folder, "again.json");
    await new RememberedPeers(store, { path: again, mesh: another, clock }).save();
    expect(keysIn(again)).toEqual([]);
  });

  test("is nothing to a node that has completed the move", async () => {
    await load(another.networkId, true);
    expect(store.list()).toEqual([]);
  });

  test.each([true, false])("is not what the present mesh's is, moved or not: %s", async (isMoved) => {
    await load(mesh.networkId, isMoved);
    expect(store.get(keyOf(1))).toMatchObject({ endpoint, meshIp: "10.8.200.1", proven: true });
  });
});
