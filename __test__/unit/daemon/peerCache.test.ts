import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import { keepPeerCache, RememberedPeers } from "../../../src/daemon/peerCache.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { decodePeerCache } from "../../../src/peers/cacheFile.ts";
import { clock, mention, open, store, word } from "../peers/storeFixture.ts";
import { keyOf } from "../support/announcements.ts";

const DAY_MS = 24 * 3_600_000;
const endpoint = { host: "192.0.2.7", port: 51820 };

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
  const keeping = { clock, troubles: new TroubleRegistry(clock, silentLog), path: file, store };
  const peers = new RememberedPeers(store);
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
    const peers = new RememberedPeers(store);
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
});
