import { describe, expect, test } from "vitest";
import type { Cidr } from "../../../src/core/types.ts";
import { defaultReconcileSettings } from "../../../src/mesh/reconcileSettings.ts";
import type { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { makeMesh, startMesh, US } from "./meshInMemory.ts";
import { keyOf } from "./peers.ts";

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

  test("a session that replaces another is noted by the sweep: two minutes apart with each of many peers they would wake it often", async () => {
    const { see, store, backend, clock, advance } = await startMesh();
    see(1);
    backend.meddle(keyOf(1), { lastHandshakeMs: clock.wallMs() });
    await advance(20_000);
    const renewedMs = clock.wallMs();
    backend.meddle(keyOf(1), { lastHandshakeMs: renewedMs });
    backend.emit({ type: "handshake", publicKey: keyOf(1) });
    await advance(10);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBeLessThan(renewedMs);
    await advance(5_000);
    expect(store.get(keyOf(1))?.lastHandshakeMs).toBe(renewedMs);
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
        found: [
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

  test("and so is each kind of it when all peers have sessions and nothing happened for long", async () => {
    const { see, backend, clock, log, reconciler, advance } = await startMesh();
    see(1);
    see(2);
    await advance(1_000);
    const keep = (): void => {
      for (const id of [1, 2]) {
        const { rxBytes = 0 } = backend.peer(keyOf(id)) ?? {};
        backend.meddle(keyOf(id), { lastHandshakeMs: clock.wallMs(), rxBytes: rxBytes + 32 });
      }
    };
    const calm = async (): Promise<void> => {
      for (let sweeps = 0; sweeps < 5; sweeps += 1) {
        keep();
        await advance(5_000);
      }
    };
    const harms: [what: string, harm: () => void][] = [
      [`allowed IPs ${keyOf(1)}`, () => backend.meddle(keyOf(1), { allowedIps: [] })],
      [`keepalive ${keyOf(1)}`, () => backend.meddle(keyOf(1), { keepaliveSeconds: 3 })],
      [`missing peer ${keyOf(1)}`, () => backend.meddle(keyOf(1), null)],
      [`unknown peer ${keyOf(9)}`, () => backend.meddle(keyOf(9), { lastHandshakeMs: clock.wallMs() })],
      ["listen port 4000", () => backend.meddleWithPort(4_000)],
      ["private key", () => backend.meddleWithKey(keyOf(9))],
      ["fwmark 0x2a", () => backend.meddleWithFwmark(0x2a)],
    ];
    for (const [what, harm] of harms) {
      await calm();
      const before = log.of("foreign change mended").length;
      harm();
      await advance(5_000);
      expect(log.of("foreign change mended").slice(before)).toEqual([{ found: [what] }]);
    }
    await calm();
    reconciler.set({ keepaliveSeconds: 9 });
    await advance(5_000);
    expect(backend.peer(keyOf(1))?.keepaliveSeconds).toBe(9);
  });

  test("our key, port and firewall mark are set again", async () => {
    const { backend, log, advance } = await startMesh();
    backend.meddleWithPort(4_000);
    backend.meddleWithKey(keyOf(9));
    backend.meddleWithFwmark(0x2a);
    await advance(5_000);
    expect(await backend.read()).toMatchObject({ publicKey: US, listenPort: 51820, fwmark: 0 });
    expect(log.of("foreign change mended")).toEqual([
      { found: ["private key", "listen port 4000", "fwmark 0x2a"] },
    ]);
  });

  test("the mark that is wished stays, any other goes", async () => {
    const { see, backend, log, advance } = await startMesh();
    see(1);
    await advance(5_000);
    backend.fwmark = 0x77;
    await advance(10_000);
    expect((await backend.read()).fwmark).toBe(0x77);
    for (const [wrong, found] of [
      [0x2a, "fwmark 0x2a"],
      [0, "fwmark off"],
    ] as const) {
      const before = log.of("foreign change mended").length;
      backend.meddleWithFwmark(wrong);
      await advance(5_000);
      expect(log.of("foreign change mended").slice(before)).toEqual([{ found: [found] }]);
      expect((await backend.read()).fwmark).toBe(0x77);
      await advance(60_000);
    }
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

  test("a path that changes is on the interface at once, and says nothing of the MTU", async () => {
    const asked: string[] = [];
    const mesh = await startMesh();
    mesh.paths.get = (host) => {
      asked.push(host);
      return undefined;
    };
    mesh.see(1);
    await mesh.advance(20);
    const bridge = { host: "127.0.0.1", port: 40_001 };
    mesh.peerPaths.set(keyOf(1), { kind: "relayed", via: keyOf(2), endpoint: bridge });
    await mesh.advance(10);
    await mesh.reconciler.runOnce();
    expect(mesh.reconciler.actual(keyOf(1))?.endpoint).toEqual(bridge);
    expect(asked).toContain("192.0.2.1");
    expect(asked).not.toContain("127.0.0.1");
    mesh.peerPaths.forget(keyOf(1));
    await mesh.reconciler.runOnce();
    await mesh.reconciler.runOnce();
    expect(mesh.reconciler.actual(keyOf(1))?.endpoint).toEqual({ host: "192.0.2.1", port: 1025 });
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
    const { see, backend, reconciler } = await makeMesh();
    const first = reconciler.runOnce();
    see(1);
    const second = reconciler.runOnce();
    await Promise.all([first, second]);
    expect(backend.peerCount).toBe(1);
    expect((await second).changes + (await first).changes).toBe(1);
  });

  test("hands the own networks to forwarding, whose failure is visible", async () => {
    const { self, reconciler } = await makeMesh({
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
    const { see, backend, reconciler } = await makeMesh();
    for (let number = 1; number <= 1_000; number += 1) {
      see(number, {
        knowsUs: true,
        endpoint: { host: `198.18.${number >> 8}.${number & 255}`, port: 51_820 },
      });
    }
    await reconciler.runOnce();
    const added = backend.peerCount;
    // Of the processor, compiler and collector included: others on the machine do not count.
    const spentMs: number[] = [];
    for (let run = 0; run < 15; run += 1) {
      const start = process.cpuUsage();
      expect((await reconciler.runOnce()).changes).toBe(0);
      const { user, system } = process.cpuUsage(start);
      spentMs.push((user + system) / 1_000);
    }
    const medianMs = spentMs.sort((a, b) => a - b)[7] ?? Number.NaN;
    console.log(`reconcile of ${added} peers, nothing to change: ${medianMs.toFixed(2)} ms (median of 15)`);
    expect(added).toBeGreaterThan(980);
    expect(medianMs).toBeLessThan(50);
  });
});

test("the defaults are the documented ones", () => {
  expect(defaultReconcileSettings).toMatchObject({ sweepMs: 5_000, keepaliveSeconds: 25 });
});
