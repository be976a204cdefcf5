import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { Cidr, IpAddress } from "../../../src/core/types.ts";
import { keyOf } from "../mesh/peers.ts";
import { testDerivation } from "../support/derivation.ts";
import { settle } from "../support/settle.ts";
import { FakeHost, FakeNode, type FakeNodeOptions } from "./fakeNode.ts";

let host: FakeHost;
const nodes: FakeNode[] = [];

beforeEach(() => {
  host = new FakeHost();
});

afterEach(async () => {
  for (const fake of nodes.splice(0)) await fake.node.close().catch(() => {});
  host.remove();
});

function make(options: FakeNodeOptions = {}, on = host): FakeNode {
  const fake = new FakeNode(on, options);
  nodes.push(fake);
  return fake;
}

async function start(options: FakeNodeOptions = {}): Promise<FakeNode> {
  const fake = make(options);
  await fake.node.open();
  return fake;
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 3_000;
  while (!condition() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

const meshIp = testDerivation.meshIpv4(keyOf(1), 0);
const meshIpv6 = testDerivation.meshIpv6(keyOf(1));

/** Row C1. */
const STARTUP = [
  "non-dumpable",
  "end-leftover wg0.child.json",
  "load identity",
  "open interface",
  "reset",
  "configure",
  `address ${meshIp}/16`,
  `address ${meshIpv6}/64`,
  `save ${meshIp} ${meshIpv6}`,
  "up",
  "discovery start",
  "rpc start",
];
/** Row C4. */
const SHUTDOWN = [
  "rpc stop",
  "discovery task cancelled",
  "goodbye",
  "discovery stop",
  "unwatch",
  "delete interface",
];

/** Lock files and the state file are not real here, so the cache is all that may stay. */
const mayStay = (files: string[]): boolean => files.every((file) => file === "wg0-peers.json");

function expectNothingLeft(fake: FakeNode): void {
  expect(host.names.size).toBe(0);
  expect(host.lockedFiles.size).toBe(0);
  expect(host.files()).toSatisfy(mayStay);
  expect(fake.source.eventNames()).toEqual([]);
  for (const backend of fake.link.backends) expect(backend.closed).toEqual({ removed: true });
  expect(fake.link.present).toBeNull();
}

describe("start and stop", () => {
  test("happen in the order of rows C1 and C4", async () => {
    const fake = await start();
    expect(fake.events).toEqual(STARTUP);
    expect(readFileSync(join(host.runDir, "wg0.pid"), "utf8")).toBe("4242\n");
    fake.events.length = 0;
    fake.signal("SIGTERM");
    await fake.node.serve();
    expect(fake.events).toEqual(SHUTDOWN);
    expectNothingLeft(fake);
    expect(fake.notified).toEqual(["READY=1", "STOPPING=1"]);
  });

  test("each step is logged with its duration", async () => {
    const fake = await start();
    const lines = fake.log.of("startup step done");
    expect(lines.map((fields) => fields.step)).toEqual([
      "lock",
      "recovery",
      "identity",
      "interface",
      "reset",
      "port",
      "addresses",
      "state",
      "up",
      "underlay",
      "routes",
      "peers",
      "discovery",
      "tasks",
      "rpc",
    ]);
    for (const fields of lines) expect(fields.durationMs).toBeTypeOf("number");
  });

  test("a node runs without discovery and RPC (row C8)", async () => {
    const fake = await start({ withDiscovery: false, withRpc: false });
    fake.signal("SIGINT");
    await fake.node.serve();
    expectNothingLeft(fake);
  });

  test("close ends it too, and twice is once", async () => {
    const fake = await start();
    await Promise.all([fake.node.close(), fake.node.close()]);
    expect(fake.events.filter((event) => event === "goodbye")).toHaveLength(1);
    expectNothingLeft(fake);
  });

  test("wgmesh down ends it", async () => {
    const fake = await start();
    fake.view?.shutdown();
    await fake.node.serve();
    expectNothingLeft(fake);
  });
});

describe("a step that fails", () => {
  // Neither of the first two is a reason not to start.
  test.each(STARTUP.slice(2))("%s: the cause is told, and nothing is left", async (step) => {
    const fake = make({
      on: (event) => {
        if (event === step) throw new Error(`cannot ${step}`);
      },
    });
    await expect(fake.node.open()).rejects.toThrow(`cannot ${step}`);
    expectNothingLeft(fake);
    expect(fake.events.includes("goodbye")).toBe(STARTUP.indexOf(step) > STARTUP.indexOf("discovery start"));
    if (step === "discovery start") expect(fake.events).toContain("discovery stop");
    expect(fake.notified).toEqual(["STOPPING=1"]);
  });

  test("an undo that fails is reported, and the rest is removed all the same", async () => {
    const fake = await start({
      on: (event) => {
        if (event === "goodbye") throw new Error("ENETDOWN");
      },
    });
    fake.signal("SIGTERM");
    await expect(fake.node.serve()).rejects.toMatchObject({
      message: "not everything could be removed: discovery: ENETDOWN",
    });
    expect(fake.backend.closed).toEqual({ removed: true });
    expect(host.names.size).toBe(0);
  });
});

describe("SIGTERM during startup", () => {
  test.each(STARTUP)("while %s: an orderly end with nothing left", async (step) => {
    const fake: FakeNode = make({
      on: (event) => {
        if (event === step) fake.signal("SIGTERM");
      },
    });
    await fake.node.open();
    await fake.node.serve();
    expectNothingLeft(fake);
    expect(fake.notified).not.toContain("READY=1");
  });

  test("and twice", async () => {
    const fake: FakeNode = make({
      on: (event) => {
        if (event === "up") fake.signal("SIGTERM");
        if (event === "delete interface") fake.signal("SIGTERM");
      },
    });
    await fake.node.open();
    await fake.node.serve();
    expectNothingLeft(fake);
  });
});

describe("a second signal", () => {
  test("skips the waiting, not the removal", async () => {
    const fake = await start();
    fake.context?.scope.start("deaf", "once", () => new Promise(() => {}));
    fake.signal("SIGTERM");
    const served = fake.node.serve();
    await until(() => fake.events.includes("rpc stop"));
    const startMs = performance.now();
    fake.signal("SIGTERM");
    await served;
    expect(performance.now() - startMs).toBeLessThan(400);
    expect(fake.log.of("tasks did not end in time")).toEqual([{ module: "tasks", tasks: ["deaf"] }]);
    expectNothingLeft(fake);
  });
});

describe("a critical failure", () => {
  test("ends the node with its cause, in order", async () => {
    const fake = await start();
    const cause = new WgmeshError("ERR_CONTROL_PORT", "the control port is gone");
    fake.context?.scope.start("heart", "critical", () => Promise.reject(cause));
    await expect(fake.node.serve()).rejects.toBe(cause);
    expectNothingLeft(fake);
  });

  test("of another kind has the exit code of its class", async () => {
    const fake = await start();
    fake.context?.scope.start("heart", "critical", () => Promise.reject(new Error("boom")));
    await expect(fake.node.serve()).rejects.toMatchObject({
      exitCode: 9,
      message: "task heart failed: boom",
    });
  });
});

describe("an interface that is taken away", () => {
  const INTERFACE_STEPS = [
    "open interface",
    "reset",
    "configure",
    `address ${meshIp}/16`,
    `address ${meshIpv6}/64`,
    "up",
  ];

  /** Deletes the link as another program would, and waits until there is a new one. */
  async function takeAway(fake: FakeNode): Promise<void> {
    const before = fake.link.backends.length;
    fake.events.length = 0;
    fake.link.delete();
    fake.networkChanged();
    await until(() => fake.link.backends.length > before && fake.link.present?.up === true);
  }

  test("is made anew by the steps of the start, and nothing else of the node is touched", async () => {
    const fake = await start();
    fake.context?.store.observe({
      publicKey: keyOf(5),
      method: "lan",
      meshIp: testDerivation.meshIpv4(keyOf(5), 0) as IpAddress,
    });
    await until(() => fake.backend.peerCount === 1);
    await takeAway(fake);
    expect(fake.events).toEqual(["delete interface", ...INTERFACE_STEPS]);
    await until(() => fake.backend.peerCount === 1);
    expect(fake.view?.status()).toMatchObject({ state: "running", interfaceIndex: 8, listenPort: 51820 });
    fake.signal("SIGTERM");
    await fake.node.serve();
    expectNothingLeft(fake);
  });

  test("forwards again what the node advertises", async () => {
    const fake = await start({ options: { advertiseRoutes: ["192.168.77.0/24"] as unknown as Cidr[] } });
    const setting = "ipv4/conf/wg0/forwarding";
    await until(() => fake.settings.read(setting) === "1");
    // The settings of a new link are the defaults.
    fake.settings.values.set(setting, "0");
    await takeAway(fake);
    await until(() => fake.settings.read(setting) === "1");
    await fake.node.close();
    expect(fake.settings.read(setting)).toBe("0");
    expectNothingLeft(fake);
  });

  test("comes back on the next free port when its own was taken meanwhile, and others are told", async () => {
    const portsInUse = new Set<number>();
    const fake = await start({ backend: { portsInUse } });
    portsInUse.add(51820);
    await takeAway(fake);
    expect(fake.backend.listenPort()).toBe(51821);
    await until(() => fake.context?.self.snapshot.wireguardPort === 51821);
    expect(fake.view?.status()).toMatchObject({ listenPort: 51821 });
  });

  test("and cannot be made leaves the node running; it ends in order, also then", async () => {
    const fake = await start();
    fake.link.refuseOpen = new WgmeshError("ERR_NO_TUN", "there is no /dev/net/tun");
    fake.link.delete();
    fake.networkChanged();
    await until(() => (fake.view?.status()?.failing.length ?? 0) > 0);
    expect(fake.view?.status()).toMatchObject({
      state: "running",
      failing: [{ object: "interface", reason: "there is no /dev/net/tun" }],
      warnings: ["interface wg0 is not there: interface deleted"],
      listenPort: 51820,
      mtu: null,
    });
    fake.signal("SIGTERM");
    await fake.node.serve();
    expectNothingLeft(fake);
  });

  test.each(["open interface", "reset", "configure", "up"])(
    "SIGTERM while it is made anew, at %s: an orderly end with nothing left",
    async (step) => {
      let armed = false;
      const fake: FakeNode = make({
        on: (event) => {
          if (armed && event === step) fake.signal("SIGTERM");
        },
      });
      await fake.node.open();
      armed = true;
      fake.link.delete();
      fake.networkChanged();
      await fake.node.serve();
      expectNothingLeft(fake);
    },
  );
});

describe("one node per interface (row F2)", () => {
  test("a second start names the PID, and changes nothing", async () => {
    await start({ pid: 77 });
    const before = host.files();
    const second = make({ pid: 78 });
    await expect(second.node.open()).rejects.toMatchObject({
      code: "ERR_ALREADY_RUNNING",
      exitCode: 5,
      message: "a node for wg0 runs already with PID 77",
    });
    expect(host.files()).toEqual(before);
    expect(readFileSync(join(host.runDir, "wg0.pid"), "utf8")).toBe("77\n");
    expect(second.events).toEqual(["non-dumpable"]);
  });

  test("in another PID namespace the PID comes from the file", async () => {
    await start({ pid: 77 });
    host.names.set("wg0", 0);
    await expect(make().node.open()).rejects.toThrow("a node for wg0 runs already with PID 77");
  });

  test("another namespace with the same state folder is refused", async () => {
    await start();
    const second = make({}, new FakeHost(host));
    await expect(second.node.open()).rejects.toMatchObject({ code: "ERR_STATE_IN_USE", exitCode: 5 });
  });

  test("so is one with the same run folder alone", async () => {
    await start({ pid: 77 });
    const second = make({ options: { stateDir: join(host.folder, "other") } }, new FakeHost(host));
    await expect(second.node.open()).rejects.toMatchObject({
      code: "ERR_STATE_IN_USE",
      message: expect.stringContaining("PID 77"),
      hint: expect.stringContaining("--run-dir"),
    });
  });
});

describe("the interface", () => {
  test("a port in use is replaced; the bound one is announced and shown", async () => {
    const fake = await start({
      backend: { portsInUse: new Set([51820, 51821]) },
      options: { listenPort: 51820 },
    });
    expect(fake.context?.self.snapshot.wireguardPort).toBe(51822);
    expect(fake.view?.status()).toMatchObject({
      listenPort: 51822,
      endpoint: "0.0.0.0:51822",
      warnings: ["UDP port 51820 was in use: WireGuard listens on 51822"],
    });
  });

  test("a port lost between its check and the link's start is replaced too", async () => {
    let attempts = 0;
    const fake = make({
      on: (event) => {
        if (event === "up") attempts += 1;
        if (event === "up" && attempts === 1)
          throw new WgmeshError("ERR_NO_PORT", "UDP port 51820 is in use");
      },
    });
    await fake.node.open();
    expect(fake.backend.listenPort()).toBe(51821);
  });

  test("all ports in use: ERR_NO_PORT and nothing left", async () => {
    const portsInUse = new Set(Array.from({ length: 200 }, (_, index) => 51_800 + index));
    const fake = make({ backend: { portsInUse } });
    await expect(fake.node.open()).rejects.toMatchObject({ code: "ERR_NO_PORT" });
    expectNothingLeft(fake);
  });

  test("one that existed is reset and keeps its port", async () => {
    const fake = await start({ backend: { boundPort: 40_123 } });
    expect(fake.events).toContain("reset");
    expect(fake.backend.listenPort()).toBe(40_123);
  });

  test("a pinned address inside the subnet is kept; one outside is replaced and said", async () => {
    const fake = await start({ pinned: { meshIp: "10.8.200.200", meshIpv6: "fd99::1" } });
    expect(fake.events).toContain(`save 10.8.200.200 ${meshIpv6}`);
    const warnings = fake.log.lines.filter((line) => line.level === "warn").map((line) => line.fields);
    expect(warnings).toEqual([{ from: "fd99::1", to: meshIpv6 }]);
  });

  test("--no-ipv6 sets no IPv6 address", async () => {
    const fake = await start({ options: { ipv6: false } });
    expect(fake.events.filter((event) => event.startsWith("address"))).toEqual([`address ${meshIp}/16`]);
    expect(fake.events).toContain(`save ${meshIp} null`);
  });

  test.each(["1", null])(
    "a host without IPv6 (disable_ipv6 = %s) gets no IPv6 address and is warned",
    async (disabled) => {
      const fake = make();
      if (disabled === null) fake.settings.values.delete("ipv6/conf/wg0/disable_ipv6");
      else fake.settings.values.set("ipv6/conf/wg0/disable_ipv6", disabled);
      await fake.node.open();
      expect(fake.events.filter((event) => event.startsWith("address"))).toEqual([`address ${meshIp}/16`]);
      expect(fake.log.lines.map((line) => line.message)).toContain(
        "no mesh IPv6 address: IPv6 is switched off on this host",
      );
    },
  );
});

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
      changed: ["log-level=debug", "advertise-routes=192.168.9.0/24"],
      warning: null,
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
    await until(() => fake.levels.length === 1);
    fake.signal("SIGHUP");
    fake.signal("SIGHUP");
    await until(() => fake.levels.length === 3);
    await settle();
    expect(fake.view?.status()?.state).toBe("running");
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
