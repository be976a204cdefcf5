import { afterEach, describe, expect, test } from "vitest";
import type { Cidr, InterfaceName, IpAddress } from "../../../src/core/types.ts";
import {
  defaultReconcileSettings,
  Reconciler,
  type ReconcilerOptions,
} from "../../../src/mesh/reconciler.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import type { Sighting } from "../../../src/peers/peer.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { settle } from "../support/settle.ts";
import { FakeRoutes } from "./fakeRoutes.ts";
import { keyOf } from "./peers.ts";

const US = keyOf(0);
const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const mesh of running.splice(0)) await mesh.stop();
});

function makeMesh(change: Partial<ReconcilerOptions> = {}) {
  const clock = new ManualClock();
  const log = new MemoryLog();
  const backend = new MemoryBackend({
    interfaceName: "wg0" as InterfaceName,
    publicKey: US,
    interfaceIndex: 7,
  });
  backend.configure(51820);
  const self = new LocalNode({
    publicKey: US,
    hostname: "us",
    meshIp: testDerivation.meshIpv4(US, 0) as IpAddress,
    meshIpv6: testDerivation.meshIpv6(US) as IpAddress,
    wireguardPort: 51820,
    externalHost: null,
    networks: [],
    introducer: false,
    natType: "",
    instance: "us",
  });
  const store = new PeerStore({
    clock,
    ownKey: US,
    addresses: testDerivation,
    strictAddresses: false,
    noIpv6: false,
    self,
  });
  const routes = new FakeRoutes();
  const accepted: Cidr[][] = [];
  const forwarded: (readonly Cidr[])[] = [];
  const index = { value: 7 as number | null };
  const reconciler = new Reconciler({
    clock,
    log,
    backend,
    store,
    self,
    routeTable: routes,
    routePolicy: "all",
    meshNetworks: [testDerivation.meshSubnet, testDerivation.meshIpv6Prefix],
    underlay: {
      connectedNetworks: () => ["172.20.0.0/24" as Cidr],
      setAcceptedNetworks: (networks) => accepted.push([...networks]),
      onChange: () => () => {},
    },
    forward: async (networks) => void forwarded.push(networks),
    interfaceIndex: () => index.value,
    ...change,
  });
  const mesh = { clock, log, backend, self, store, routes, accepted, forwarded, index, reconciler };
  return {
    ...mesh,
    see: (number: number, sighting: Partial<Sighting> = {}) => store.observe(sightingOf(number, sighting)),
  };
}

/** The reconciler as the task it is in a daemon. */
async function startMesh(change: Partial<ReconcilerOptions> = {}) {
  const mesh = makeMesh(change);
  const abort = new AbortController();
  const ended = mesh.reconciler.run(abort.signal);
  running.push({
    stop: async () => {
      abort.abort();
      await ended.catch(() => {});
    },
  });
  await settle();
  const advance = async (ms: number): Promise<void> => {
    await settle();
    for (let left = ms; left > 0; left -= 10) {
      mesh.clock.advance(Math.min(10, left));
      await settle();
    }
  };
  return { ...mesh, ended, advance };
}

function sightingOf(number: number, change: Partial<Sighting>): Sighting {
  const publicKey = keyOf(number);
  return {
    publicKey,
    method: "lan",
    meshIp: testDerivation.meshIpv4(publicKey, 0) as IpAddress,
    meshIpv6: testDerivation.meshIpv6(publicKey) as IpAddress,
    endpoint: { host: "192.0.2.1", port: 1024 + number },
    ...change,
  };
}

const kinds = (backend: MemoryBackend): string[][] =>
  backend.batches.map((batch) => batch.map((c) => c.kind));

describe("the task", () => {
  test("a burst of changes is one batch, a few milliseconds later", async () => {
    const { see, backend, advance } = await startMesh();
    for (let number = 1; number <= 20; number += 1) see(number);
    expect(backend.batches).toEqual([]);
    await advance(10);
    expect(kinds(backend)).toEqual([Array(20).fill("add")]);
    expect(backend.peerCount).toBe(20);
  });

  test("a peer that leaves is removed", async () => {
    const { see, store, backend, advance } = await startMesh();
    see(1);
    await advance(10);
    store.remove(keyOf(1), "goodbye");
    await advance(10);
    expect(kinds(backend)).toEqual([["add"], ["remove"]]);
  });

  test("being seen again changes nothing", async () => {
    const { see, backend, advance } = await startMesh();
    see(1);
    await advance(10);
    for (let i = 0; i < 10; i += 1) {
      see(1);
      await advance(1_000);
    }
    expect(kinds(backend)).toEqual([["add"]]);
  });

  test("handshakes reach the store soon, and later with the sweep", async () => {
    const { see, store, backend, clock, advance } = await startMesh();
    see(1);
    await advance(20);
    const firstMs = clock.wallMs();
    backend.meddle(keyOf(1), { lastHandshakeMs: firstMs });
    await advance(120);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBe(firstMs);
    await advance(20_000);
    const nextMs = clock.wallMs();
    backend.meddle(keyOf(1), { lastHandshakeMs: nextMs });
    await advance(5_000);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBe(nextMs);
  });

  test("an event of the device is looked at at once", async () => {
    const { see, store, backend, clock, advance } = await startMesh();
    see(1);
    await advance(20_000);
    backend.meddle(keyOf(1), { lastHandshakeMs: clock.wallMs() });
    backend.emit({ type: "handshake", publicKey: keyOf(1) });
    await advance(10);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBeGreaterThan(0);
  });

  test("a foreign change is mended at once where the device tells, and reported in one line", async () => {
    const { see, backend, log, advance } = await startMesh();
    see(1);
    see(2);
    await advance(20_000);
    backend.meddle(keyOf(1), { allowedIps: [], keepaliveSeconds: 3 });
    backend.meddle(keyOf(2), null);
    backend.meddle(keyOf(9), {});
    backend.emit({ type: "foreign-change", what: "set" });
    await advance(10);
    expect(log.of("foreign change mended")).toEqual([
      {
        changes: [
          `allowed IPs ${keyOf(1)}`,
          `keepalive ${keyOf(1)}`,
          `missing peer ${keyOf(2)}`,
          `unknown peer ${keyOf(9)}`,
        ],
      },
    ]);
    expect(backend.peer(keyOf(1))).toMatchObject({
      keepaliveSeconds: 25,
      allowedIps: [expect.anything(), expect.anything()],
    });
    expect(backend.peer(keyOf(2))).toBeDefined();
    expect(backend.peer(keyOf(9))).toBeUndefined();
  });

  test("a foreign change that nobody tells of is mended by the sweep", async () => {
    const { see, backend, advance } = await startMesh();
    see(1);
    await advance(20_000);
    backend.meddle(keyOf(1), null);
    await advance(5_000);
    expect(backend.peerCount).toBe(1);
  });

  test("our listen port is set again", async () => {
    const { backend, log, advance } = await startMesh();
    backend.meddleWithPort(4_000);
    await advance(5_000);
    expect(backend.listenPort()).toBe(51820);
    expect(log.of("foreign change mended")).toEqual([{ changes: ["listen port"] }]);
  });

  test("a peer that knows us and shakes no hands is retriggered after 300 ms", async () => {
    const { see, backend, advance } = await startMesh();
    see(1);
    await advance(10);
    see(1, { knowsUs: true });
    await advance(280);
    expect(kinds(backend)).toEqual([["add"]]);
    await advance(50);
    expect(kinds(backend)).toEqual([["add"], ["retrigger"]]);
  });

  test("a peer without a session that moved is retriggered, since its initiation went astray", async () => {
    const { see, backend, clock, advance } = await startMesh();
    see(1);
    await advance(10);
    see(1, { endpoint: { host: "198.51.100.1", port: 9 } });
    await advance(10);
    expect(kinds(backend)).toEqual([["add"], ["retrigger"]]);
    expect(backend.peer(keyOf(1))?.endpoint).toEqual({ host: "198.51.100.1", port: 9 });
    backend.meddle(keyOf(1), { lastHandshakeMs: clock.wallMs() });
    see(1, { endpoint: { host: "198.51.100.2", port: 9 } });
    await advance(10);
    expect(kinds(backend).at(-1)).toEqual(["update"]);
  });

  test("one bad peer stops no other, is named, and is not hammered", async () => {
    const { see, backend, reconciler, advance } = await startMesh();
    backend.refuse.set(keyOf(1), "EINVAL: no");
    see(1);
    see(2);
    await advance(10);
    expect(backend.peer(keyOf(2))).toBeDefined();
    expect(reconciler.failing()).toMatchObject([{ object: `peer ${keyOf(1)}`, reason: "EINVAL: no" }]);
    await advance(10_000);
    // After 0, 1, 3 and 7 s.
    const attempts = backend.batches.flat().filter((c) => c.kind === "add" && c.peer.publicKey === keyOf(1));
    expect(attempts).toHaveLength(4);
    backend.refuse.clear();
    await advance(10_000);
    expect(backend.peer(keyOf(1))).toBeDefined();
    expect(reconciler.failing()).toEqual([]);
  });

  test("routes follow the peers' networks, and are known to be inside the mesh", async () => {
    const { see, store, routes, accepted, backend, advance } = await startMesh();
    const networks = ["192.168.1.0/24", "0.0.0.0/0"] as Cidr[];
    see(1, { networks });
    await advance(10);
    expect(routes.list().map((route) => route.destination)).toEqual(["192.168.1.0/24"]);
    expect(accepted.at(-1)).toEqual(["192.168.1.0/24"]);
    expect(backend.peer(keyOf(1))?.allowedIps).toContain("192.168.1.0/24");
    store.remove(keyOf(1), "goodbye");
    await advance(10);
    expect(routes.list()).toEqual([]);
  });

  test("an interface that is deleted ends the task with a clear reason", async () => {
    const { index, ended, advance } = await startMesh();
    const failure = expect(ended).rejects.toMatchObject({
      code: "ERR_SYSTEM",
      message: "interface wg0 was deleted or replaced by another program",
    });
    index.value = null;
    await advance(5_000);
    await failure;
  });

  test("so does an engine that dies", async () => {
    const { backend, ended, advance } = await startMesh();
    const failure = expect(ended).rejects.toMatchObject({ message: "interface wg0 failed: no descriptors" });
    backend.emit({ type: "failed", reason: "no descriptors" });
    await advance(10);
    await failure;
  });

  test("a read that fails is visible, and mends itself", async () => {
    const { backend, reconciler, advance } = await startMesh();
    backend.failReads(new Error("EBUSY"));
    await advance(10_000);
    expect(reconciler.failing()).toMatchObject([{ object: "interface", reason: "EBUSY" }]);
    expect(reconciler.lastReport()?.error).toBe("EBUSY");
    backend.failReads(null);
    await advance(70_000);
    expect(reconciler.failing()).toEqual([]);
  });
});

describe("runOnce", () => {
  test("resolves after a whole cycle that began later, also while one runs", async () => {
    const { see, backend, reconciler } = makeMesh();
    const first = reconciler.runOnce();
    see(1);
    const second = reconciler.runOnce();
    await Promise.all([first, second]);
    expect(backend.peerCount).toBe(1);
    expect((await second).changes + (await first).changes).toBe(1);
  });

  test("hands the own networks to forwarding, whose failure is visible", async () => {
    const { self, reconciler } = makeMesh({
      forward: async (networks) => {
        if (networks.length > 0) throw new Error("EROFS");
      },
    });
    self.update({ networks: ["192.168.5.0/24" as Cidr] });
    await reconciler.runOnce();
    expect(reconciler.failing()).toMatchObject([{ object: "forwarding", reason: "EROFS" }]);
    self.update({ networks: [] });
    await reconciler.runOnce();
    expect(reconciler.failing()).toEqual([]);
  });

  test("1,000 peers with nothing to change", async () => {
    const { see, backend, reconciler } = makeMesh();
    for (let number = 1; number <= 1_000; number += 1) see(number, { knowsUs: true });
    await reconciler.runOnce();
    const added = backend.peerCount;
    const durations: number[] = [];
    for (let run = 0; run < 15; run += 1) {
      const startMs = performance.now();
      expect((await reconciler.runOnce()).changes).toBe(0);
      durations.push(performance.now() - startMs);
    }
    const medianMs = durations.sort((a, b) => a - b)[7] ?? Number.NaN;
    console.log(`reconcile of ${added} peers, nothing to change: ${medianMs.toFixed(2)} ms (median of 15)`);
    expect(added).toBeGreaterThan(980);
    expect(medianMs).toBeLessThan(50);
  });
});

test("the defaults are the documented ones", () => {
  expect(defaultReconcileSettings).toMatchObject({ sweepMs: 5_000, keepaliveSeconds: 25 });
});
