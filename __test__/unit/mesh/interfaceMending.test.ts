import { describe, expect, test } from "vitest";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { Cidr } from "../../../src/core/types.ts";
import { defaultPacerSettings } from "../../../src/mesh/mendPacer.ts";
import { RAISE_AFTER_MS } from "../../../src/mesh/pathMtu.ts";
import { ADDRESSES, startMesh } from "./meshInMemory.ts";
import { keyOf } from "./peers.ts";

const [V4, V6] = ADDRESSES as [(typeof ADDRESSES)[0], (typeof ADDRESSES)[0]];

/** A mesh with one peer that has a session, long enough alone that only events wake it. */
async function quietMesh() {
  const mesh = await startMesh();
  mesh.see(1, { networks: ["192.168.7.0/24"] as Cidr[] });
  await mesh.advance(20_000);
  mesh.backend.meddle(keyOf(1), {
    lastHandshakeMs: mesh.clock.wallMs(),
    endpoint: { host: "198.51.100.77", port: 7 },
  });
  await mesh.advance(5_000);
  const told = (message: string) => mesh.log.of(message).map(({ found }) => found);
  /** What netlink says after the change, and the time until it is worked off. */
  const meddle = async (change: () => void): Promise<void> => {
    change();
    mesh.networkChanged();
    await mesh.advance(10);
  };
  return { ...mesh, told, meddle };
}

describe("what others do to the interface is mended as soon as netlink tells, with one line", () => {
  test("addresses and link", async () => {
    const { link, told, meddle } = await quietMesh();
    await meddle(() => {
      link.held = [];
      if (link.present !== null) link.present.up = false;
    });
    expect(link.held).toEqual(ADDRESSES);
    expect(link.present?.up).toBe(true);
    expect(told("foreign change mended")).toEqual([
      ["link down", `missing address ${V4.address}/16`, `missing address ${V6.address}/64`],
    ]);
  });

  test("the MTU", async () => {
    const { link, told, meddle } = await quietMesh();
    await meddle(() => {
      if (link.present !== null) link.present.mtu = 1300;
    });
    expect(link.present?.mtu).toBe(1420);
    expect(told("foreign change mended")).toEqual([["MTU 1300"]]);
  });

  test("routes of ours, and the one of the mesh itself", async () => {
    const { link, routes, told, meddle } = await quietMesh();
    await meddle(() => {
      for (const { destination, metric } of routes.list()) routes.remove(destination, metric);
      link.unrouted.add(V4.address);
    });
    expect(routes.list().map(({ destination }) => destination)).toEqual(["192.168.7.0/24"]);
    expect(link.unrouted.size).toBe(0);
    expect(told("foreign change mended")).toEqual([
      [`missing route of address ${V4.address}/16`, "missing route 192.168.7.0/24"],
    ]);
  });

  test("and within half a minute where netlink told nothing", async () => {
    const { link, advance, told } = await quietMesh();
    link.held = [];
    await advance(30_000);
    expect(link.held).toEqual(ADDRESSES);
    expect(told("foreign change mended")).toHaveLength(1);
  });

  test("one thing that cannot be mended stops no other, is named and tried again", async () => {
    const { link, reconciler, meddle, advance } = await quietMesh();
    link.refuse.add(`address ${V6.address}`);
    await meddle(() => {
      link.held = [];
    });
    expect(link.held).toEqual([V4]);
    expect(reconciler.failing()).toMatchObject([{ object: `address ${V6.address}` }]);
    link.refuse.clear();
    await advance(1_100);
    expect(link.held).toEqual([V4, V6]);
    expect(reconciler.failing()).toEqual([]);
  });

  test("what somebody else puts right is no failure any more", async () => {
    const { link, reconciler, meddle } = await quietMesh();
    link.refuse.add(`address ${V6.address}`);
    await meddle(() => {
      link.held = [V4];
    });
    expect(reconciler.failing()).toHaveLength(1);
    await meddle(() => {
      link.held = [V4, V6];
    });
    expect(reconciler.failing()).toEqual([]);
  });

  test("an interface that goes away in the midst of it leaves no failure behind", async () => {
    const { link, reconciler, told, meddle, advance } = await quietMesh();
    link.addAddress = () => {
      Reflect.deleteProperty(link, "addAddress");
      link.delete();
      throw new Error("ENODEV");
    };
    await meddle(() => {
      link.held = [];
    });
    await advance(10);
    expect(told("interface made anew")).toEqual([["interface deleted"]]);
    expect(link.held).toEqual(ADDRESSES);
    expect(reconciler.failing()).toEqual([]);
  });
});

describe("an interface that was lost", () => {
  test("by deletion is made anew with its port, addresses, peers and routes, in one line", async () => {
    const { link, backend, routes, told, meddle } = await quietMesh();
    await meddle(() => {
      link.delete();
      for (const { destination, metric } of routes.list()) routes.remove(destination, metric);
    });
    expect(backend.closed).toEqual({ removed: true });
    expect(link.backends).toHaveLength(2);
    expect(link.backend.listenPort()).toBe(51820);
    expect(link.present).toMatchObject({ index: 8, up: true });
    expect(link.held).toEqual(ADDRESSES);
    expect(routes.list()).toHaveLength(1);
    expect(told("interface made anew")).toEqual([["interface deleted"]]);
    expect(told("foreign change mended")).toEqual([]);
    // A live peer is sent to where it was last, not to where it said it would be.
    expect(link.backend.peer(keyOf(1))?.endpoint).toEqual({ host: "198.51.100.77", port: 7 });
  });

  test("because its engine died is made anew, too, and late words of the old one do nothing", async () => {
    const { link, backend, told, advance } = await quietMesh();
    backend.emit({ type: "failed", reason: "no descriptors" });
    await advance(10);
    expect(link.backends).toHaveLength(2);
    expect(backend.closed).toEqual({ removed: true });
    expect(told("interface made anew")).toEqual([["engine failed: no descriptors"]]);
    backend.emit({ type: "failed", reason: "still dead" });
    await advance(10_000);
    expect(link.backends).toHaveLength(2);
    link.backend.emit({ type: "failed", reason: "again" });
    await advance(10);
    expect(link.backends).toHaveLength(3);
  });

  test("is found by the sweep where nobody tells", async () => {
    const { link, advance } = await quietMesh();
    link.delete();
    await advance(5_000);
    expect(link.backends).toHaveLength(2);
    expect(link.backend.peerCount).toBe(1);
  });

  test("again and again is made after pauses, and the operator is told", async () => {
    const { link, reconciler, meddle, advance } = await quietMesh();
    const { free } = defaultPacerSettings;
    for (let time = 0; time < free; time += 1) await meddle(() => link.delete());
    expect(link.backends).toHaveLength(1 + free);
    await meddle(() => link.delete());
    expect(link.backends).toHaveLength(1 + free);
    expect(reconciler.warnings()).toEqual([
      "interface wg0 is not there: interface deleted",
      `another program works against wgmesh: wg0 had to be mended ${free} times in a row; the next time not before 1 s`,
    ]);
    expect(reconciler.lastReport()?.error).toContain("wg0 is not there");
    expect(reconciler.mtu()).toBeNull();
    await advance(1_010);
    expect(link.backends).toHaveLength(2 + free);
    const before = link.opens;
    for (let second = 0; second < 60; second += 1) {
      if (link.present !== null) await meddle(() => link.delete());
      await advance(1_000);
    }
    // After 2, 4, 8, 16 and 32 s.
    expect(link.opens - before).toBeLessThanOrEqual(6);
    await advance(200_000);
    expect(reconciler.warnings()).toEqual([]);
  });

  test("whose name was taken comes back as soon as the name is free, and the other link is never touched", async () => {
    const { link, reconciler, told, meddle, advance, log } = await quietMesh();
    await meddle(() => link.occupy("dummy"));
    const opens = link.opens;
    await advance(100_000);
    expect(link.present).toMatchObject({ kind: "dummy", mtu: 1500 });
    expect(link.opens).toBe(opens);
    expect(reconciler.warnings()).toEqual([
      "interface wg0 is not there: the name belongs to a link of another program (dummy)",
    ]);
    expect(reconciler.failing()).toMatchObject([{ object: "interface" }]);
    expect(log.of("reconcile failed")).toHaveLength(1);
    await meddle(() => link.delete());
    expect(link.backends).toHaveLength(2);
    expect(told("interface made anew")).toHaveLength(1);
    expect(reconciler.failing()).toEqual([]);
    expect(reconciler.warnings()).toEqual([]);
  });

  test("to another WireGuard link that cannot be adopted is tried again after pauses, but at once when that link goes", async () => {
    const { link, reconciler, meddle, advance } = await quietMesh();
    const opens = link.opens;
    await meddle(() => link.occupy("wireguard"));
    await advance(20_000);
    // After 0, 1, 3, 7 and 15 s; the next would come after 31 s.
    expect(link.opens - opens).toBe(5);
    expect(reconciler.failing()).toMatchObject([{ object: "interface", reason: "wg0 is taken" }]);
    expect(reconciler.warnings()).toEqual(["interface wg0 is not there: interface replaced by another"]);
    await meddle(() => link.delete());
    expect(link.backends).toHaveLength(2);
    expect(reconciler.failing()).toEqual([]);
  });

  test("and cannot be made is tried again after pauses, its reason visible", async () => {
    const { link, reconciler, meddle, advance } = await quietMesh();
    link.refuseOpen = new WgmeshError("ERR_NO_TUN", "there is no /dev/net/tun");
    const opens = link.opens;
    await meddle(() => link.delete());
    await advance(10_000);
    // After 0, 1, 3 and 7 s.
    expect(link.opens - opens).toBe(4);
    expect(reconciler.failing()).toMatchObject([{ object: "interface", reason: "there is no /dev/net/tun" }]);
    link.refuseOpen = null;
    await advance(10_000);
    expect(link.backends).toHaveLength(2);
    expect(reconciler.failing()).toEqual([]);
  });
});

describe("the MTU of the interface", () => {
  const path = (mtu: number) => ({ linkName: "eth0", mtu, type: "unicast" });

  test("follows the smallest path to a peer: down at once, up when it has lasted, one line each", async () => {
    const { see, link, paths, log, reconciler, networkChanged, advance } = await startMesh();
    paths.set("192.0.2.1", path(1500));
    see(1);
    await advance(10);
    expect(link.present?.mtu).toBe(1420);
    paths.set("192.0.2.1", path(1400));
    networkChanged();
    await advance(10);
    expect(link.present?.mtu).toBe(1320);
    expect(reconciler.mtu()).toBe(1320);
    for (let time = 0; time < 10; time += 1) {
      paths.set("192.0.2.1", path(time % 2 === 0 ? 1500 : 1400));
      networkChanged();
      await advance(RAISE_AFTER_MS / 2);
      expect(link.present?.mtu).toBe(1320);
    }
    paths.set("192.0.2.1", path(1500));
    networkChanged();
    await advance(RAISE_AFTER_MS + 6_000);
    expect(link.present?.mtu).toBe(1420);
    expect(log.of("interface MTU set")).toEqual([
      { from: 1420, to: 1320 },
      { from: 1320, to: 1420 },
    ]);
    expect(log.of("foreign change mended")).toEqual([]);
  });

  test("is set on an interface that was made anew", async () => {
    const { see, link, paths, networkChanged, advance } = await startMesh();
    paths.set("192.0.2.1", path(1400));
    see(1);
    await advance(10);
    link.delete();
    networkChanged();
    await advance(10);
    expect(link.backends).toHaveLength(2);
    expect(link.present?.mtu).toBe(1320);
  });
});

test("a kernel that cannot be asked for a while, as without descriptors, ends nothing and loses no peer", async () => {
  const { link, backend, reconciler, meddle, advance } = await quietMesh();
  await meddle(() => link.refuse.add("link"));
  expect(reconciler.lastReport()?.error).toContain("link");
  link.refuse.clear();
  await advance(60_000);
  expect(reconciler.lastReport()?.error).toBeNull();
  expect(link.opens).toBe(1);
  expect((await backend.read()).peers).toHaveLength(1);
});
