import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Cidr, IpAddress } from "../../../../src/core/types.ts";
import { keyOf } from "../../mesh/peers.ts";
import { testDerivation } from "../../support/derivation.ts";
import { settle } from "../../support/settle.ts";
import type { FakeNode } from "../fakeNode.ts";
import { expectNothingLeft, host, make, meshIp, meshIpv6, start, until } from "./nodes.ts";

describe("peers", () => {
  const sighting = {
    publicKey: keyOf(5),
    method: "lan",
    hostname: "five",
    meshIp: testDerivation.meshIpv4(keyOf(5), 0) as IpAddress,
    endpoint: { host: "192.0.2.5", port: 51820 },
  } as const;

  test("reach the interface, and the next run", async () => {
    const first = await start();
    first.context?.store.observe(sighting);
    await until(() => first.backend.peerCount === 1);
    expect(first.view?.peers()).toMatchObject([
      { publicKey: keyOf(5), state: "known", endpoint: sighting.endpoint },
    ]);
    expect(first.view?.status()?.peers).toEqual({ total: 1, active: 1, connected: 0 });
    first.signal("SIGTERM");
    await first.node.serve();

    const second = await start();
    expect(second.view?.peers()).toMatchObject([
      { publicKey: keyOf(5), hostname: "five", methods: ["cache"] },
    ]);
    await until(() => second.backend.peerCount === 1);
  });

  test("a handshake shows them as connected", async () => {
    const fake = await start();
    fake.context?.store.observe(sighting);
    await until(() => fake.backend.peerCount === 1);
    fake.backend.meddle(keyOf(5), { lastHandshakeMs: Date.now(), rxBytes: 10, txBytes: 20 });
    await until(() => fake.view?.status()?.peers.connected === 1);
    expect(fake.view?.peers()).toMatchObject([{ state: "connected", rxBytes: 10, txBytes: 20 }]);
  });

  test("a damaged cache costs a line in the log", async () => {
    const first = await start();
    await first.node.close();
    writeFileSync(join(host.stateDir, "wg0-peers.json"), "{");
    const second = await start();
    expect(second.log.of("peer cache damaged")).toHaveLength(1);
  });

  test("what they advertise is undone at the end", async () => {
    const fake = await start({ options: { advertiseRoutes: ["192.168.77.0/24"] as unknown as Cidr[] } });
    fake.context?.store.observe({ ...sighting, networks: ["192.168.9.0/24" as Cidr] });
    await until(() => fake.routes.list().length === 1);
    await until(() => fake.settings.read("ipv4/conf/wg0/forwarding") === "1");
    expect(host.files()).toContain("wg0.forwarding.json");
    await fake.node.close();
    expect(fake.routes.list()).toEqual([]);
    expect(fake.settings.read("ipv4/conf/wg0/forwarding")).toBe("0");
    expectNothingLeft(fake);
  });
});

describe("reload (row C5)", () => {
  const write = (text: string): void =>
    writeFileSync(join(host.stateDir, "wg0.reload"), text, { mode: 0o600 });

  test("changes networks and level, reconciles, and tells the others", async () => {
    const fake = await start();
    write("advertise-routes=192.168.9.0/24\nlog-level=debug\n");
    fake.events.length = 0;
    expect(await fake.view?.reload()).toEqual({
      changed: ["advertise-routes=192.168.9.0/24", "log-level=debug"],
      warning: null,
      restart: [],
    });
    expect(fake.context?.self.snapshot.networks).toEqual(["192.168.9.0/24"]);
    expect(fake.levels).toEqual(["debug"]);
    expect(fake.settings.read("ipv4/conf/wg0/forwarding")).toBe("1");
    expect(fake.events).toEqual(["announce"]);
    expect(fake.notified).toEqual(["READY=1", "RELOADING=1", "READY=1"]);
  });

  test("a bad line changes nothing at all", async () => {
    const fake = await start();
    write("log-level=debug\nadvertise-routes=banana\n");
    await expect(fake.view?.reload()).rejects.toMatchObject({
      code: "ERR_RELOAD",
      message: expect.stringContaining("line 2: advertise-routes"),
    });
    expect(fake.levels).toEqual([]);
    expect(fake.context?.self.snapshot.networks).toEqual([]);
    expect(fake.events).not.toContain("announce");
  });

  test("no file is a warning; one that others can write is refused", async () => {
    const fake = await start();
    expect(await fake.view?.reload()).toMatchObject({
      changed: [],
      warning: expect.stringContaining("wg0.reload"),
    });
    write("log-level=debug\n");
    chmodSync(join(host.stateDir, "wg0.reload"), 0o666);
    await expect(fake.view?.reload()).rejects.toMatchObject({ code: "ERR_STATE_PERMISSIONS" });
    expect(fake.levels).toEqual([]);
  });

  test("SIGHUP does the same, also while another reload runs or during startup", async () => {
    const fake: FakeNode = make({
      on: (event) => {
        if (event === "up") fake.signal("SIGHUP");
        if (event === "load identity") write("log-level=warn\n");
      },
    });
    await fake.node.open();
    const reloads = () => fake.notified.filter((state) => state === "RELOADING=1").length;
    await until(() => fake.levels.length === 1);
    fake.signal("SIGHUP");
    fake.signal("SIGHUP");
    await until(() => reloads() === 3);
    const operations = () => fake.view?.operations().map(({ kind, state }) => `${kind} ${state}`);
    await until(() => operations()?.includes("daemon.reload running") === false);
    await settle();
    expect(fake.levels).toEqual(["warn"]);
    expect(fake.view?.status()?.state).toBe("running");
    expect(operations()).toEqual(Array(3).fill("daemon.reload done"));
  });
});

test("status tells what runs", async () => {
  const fake = await start();
  await until(() => (fake.view?.status()?.lastReconcile ?? null) !== null);
  expect(fake.view?.status()).toMatchObject({
    state: "running",
    pid: 4242,
    version: "1.2.3",
    interfaceName: "wg0",
    interfaceIndex: 7,
    backend: "kernel",
    meshIp,
    meshIpv6,
    publicKey: keyOf(1),
    hostname: "h?st",
    networkId: "ab".repeat(20),
    counters: { received: 3 },
    memoryBytes: 1,
    openFiles: 2,
    failing: [],
  });
  const tasks = fake.view?.status()?.tasks.map(({ name, policy }) => `${name} ${policy}`);
  expect(tasks).toEqual(
    expect.arrayContaining([
      "reconcile critical",
      "probe-listener restart",
      "peer-expiry restart",
      "peer-cache restart",
    ]),
  );
});
