import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configurationOf } from "../../../src/config/configuration.ts";
import { type DaemonOptions, daemonOptions } from "../../../src/config/options.ts";
import type { Problem } from "../../../src/config/problem.ts";
import type { Cidr } from "../../../src/core/types.ts";
import { restoreHandover, takeHandover, writeHandover } from "../../../src/daemon/handover.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { keyOf } from "../mesh/peers.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import type { FakeNode } from "./fakeNode.ts";
import { host, make, start } from "./meshNode/nodes.ts";

describe("a node that hands over", () => {
  test("says no goodbye, leaves interface, routes and PID file, and what its successor needs", async () => {
    const fake = await start();
    fake.events.length = 0;
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("handed over");
    expect(fake.events).not.toContain("goodbye");
    expect(fake.events).not.toContain("delete interface");
    expect(readFileSync(join(host.runDir, "wg0.pid"), "utf8")).toBe("4242\n");
    expect(fake.notified).toEqual(["READY=1", "RELOADING=1"]);
    const left = JSON.parse(readFileSync(join(host.runDir, "wg0.handover.json"), "utf8"));
    expect(left).toMatchObject({ version: "1.2.3", listenPort: null, peers: [] });
    expect(left.instance).toMatch(/^[0-9a-f]{16}$/);
  });

  test("does so on a full disk too", async () => {
    const fake = await start();
    // No file can take its place.
    const cache = join(host.stateDir, "wg0-peers.json");
    rmSync(cache, { force: true });
    mkdirSync(join(cache, "x"), { recursive: true });
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("handed over");
    expect(fake.log.of("step could not be undone")).toMatchObject([{ step: "peers" }]);
    expect(fake.events).not.toContain("delete interface");
    expect(existsSync(join(host.runDir, "wg0.handover.json"))).toBe(true);
  });

  test("goes on as it is where its successor would refuse the configuration", async () => {
    const defaults = Object.entries(daemonOptions).map(([key, row]) => [key, row.default]);
    const initial = configurationOf(Object.fromEntries(defaults) as DaemonOptions);
    let problems: readonly Problem[] = [
      { code: "ERR_CONFIG", message: "/etc/wgmesh/wg0.toml:2: mtu: 12 is no MTU", hint: "576 or more" },
    ];
    const fake = await start({ configuration: { initial, load: () => ({ ...initial, problems }) } });
    expect(() => fake.view?.restart()).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG", hint: "576 or more; the daemon goes on as it is" }),
    );
    problems = [];
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("handed over");
  });

  test("ends as ever when somebody wants its end meanwhile", async () => {
    const fake = await start();
    fake.view?.restart()();
    fake.signal("SIGTERM");
    expect(await fake.node.serve()).toBe("ended");
    expect(existsSync(join(host.runDir, "wg0.pid"))).toBe(false);
    expect(existsSync(join(host.runDir, "wg0.handover.json"))).toBe(false);
  });
});

describe("the interface that is left", () => {
  test("is guarded until the successor has it", async () => {
    const fake = await start();
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("handed over");
    const index = fake.backend.interfaceIndex;
    expect(fake.node.left).toEqual({ fd: index, pid: 1 });
    expect(fake.events.filter((event) => event.includes("guard"))).toEqual([`guard link ${index}`]);

    const successor = await start({ guard: { fd: 9, pid: 2 } });
    const opened = successor.events.indexOf("open interface");
    expect(successor.events[opened + 1]).toBe("guard of link 9 ends, link kept");
  });

  test("stays guarded when the successor cannot start", async () => {
    const successor = make({
      guard: { fd: 9, pid: 2 },
      on: (event) => {
        if (event === "load identity") throw new Error("no such luck");
      },
    });
    await expect(successor.node.open()).rejects.toThrow("no such luck");
    expect(successor.events.filter((event) => event.includes("guard"))).toEqual([]);
  });

  test("is removed when somebody wants the end after it was left", async () => {
    const fake: FakeNode = await start({
      on: (event) => {
        if (event.startsWith("guard link")) fake.signal("SIGTERM");
      },
    });
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("ended");
    expect(fake.events.at(-1)).toMatch(/^guard of link \d+ ends, link removed$/);
    expect(fake.node.left).toBeNull();
  });

  test("is removed, and that is said, when no successor comes of it", async () => {
    const fake = await start();
    fake.view?.restart()();
    await fake.node.serve();
    expect(fake.node.handoverFailed(new Error("cannot run /usr/bin/node"))).toMatchObject({
      code: "ERR_SYSTEM",
      message: "the program could not be started again: cannot run /usr/bin/node; the interface was removed",
    });
    expect(fake.events.at(-1)).toMatch(/link removed$/);
  });

  test.each([
    ["with another backend", { backend: "embedded" }, true],
    ["on another interface", { interfaceName: "wg1" as never }, true],
    ["with another MTU", { mtu: 1300 }, false],
  ] as const)("is left to a successor %s: %j", async (_what, change, removed) => {
    const defaults = Object.entries(daemonOptions).map(([key, row]) => [key, row.default]);
    const initial = configurationOf(Object.fromEntries(defaults) as DaemonOptions);
    const load = () => ({ ...initial, options: { ...initial.options, ...change } });
    const fake = await start({ configuration: { initial, load } });
    fake.view?.restart()();
    expect(await fake.node.serve()).toBe("handed over");
    expect([fake.events.includes("delete interface"), fake.node.left === null]).toEqual([removed, removed]);
    expect(fake.events).not.toContain("goodbye");
  });
});

describe("what is handed over", () => {
  let folder: string;
  let path: string;
  const log = new MemoryLog();
  const clock = new ManualClock();
  const newStore = (): PeerStore =>
    new PeerStore({
      clock,
      ownKey: keyOf(1),
      addresses: testDerivation,
      strictAddresses: false,
      noIpv6: false,
    });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wgmesh-handover-"));
    path = join(folder, "wg0.handover.json");
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  test("is the peers as they were known, networks and all, read once", async () => {
    const before = newStore();
    const nowMs = clock.wallMs();
    before.observe({
      publicKey: keyOf(2),
      method: "lan",
      hostname: "two",
      meshIp: testDerivation.meshIpv4(keyOf(2), 0) as never,
      endpoint: { host: "192.0.2.2", port: 51820 },
      controlEndpoint: { host: "192.0.2.2", port: 52000 },
      networks: ["10.77.0.0/24" as never],
      instance: "abcd",
      knowsUs: true,
      proven: true,
    });
    before.noteHandshake(keyOf(2), nowMs - 5000);
    // Only told of: whoever told will tell again.
    before.observe({
      publicKey: keyOf(3),
      method: "gossip-transitive",
      endpoint: { host: "192.0.2.3", port: 1 },
    });
    await writeHandover(path, { version: "1", instance: "ours", listenPort: 51999, peers: before.list() });
    expect(statSync(path).mode & 0o777).toBe(0o600);

    const left = await takeHandover(path, "1", log);
    expect(left).toMatchObject({ instance: "ours", listenPort: 51999 });
    expect(existsSync(path)).toBe(false);
    const after = newStore();
    restoreHandover(after, left?.peers ?? []);
    expect(after.list()).toEqual([before.get(keyOf(2))]);
    expect(await takeHandover(path, "1", log)).toBeNull();
  });

  test("is as many peers as a node can have", async () => {
    const before = newStore();
    const networks = Array.from({ length: 90 }, (_, index) => `10.77.${index}.0/24` as Cidr);
    for (let number = 2; number < 1_002; number += 1) {
      before.observe({ publicKey: keyOf(number), method: "lan", networks, knowsUs: true });
    }
    await writeHandover(path, { version: "1", instance: "ours", listenPort: null, peers: before.list() });
    expect(statSync(path).size).toBeGreaterThan(1024 * 1024);
    expect((await takeHandover(path, "1", log))?.peers).toHaveLength(1_000);
  });

  test.each([
    ["of another release", JSON.stringify({ version: "2", instance: "x", listenPort: null, peers: [] }), 0],
    ["that is damaged", '{"version":"1",', 1],
  ])("%s is removed and not used", async (_what, text, warnings) => {
    writeFileSync(path, text, { mode: 0o600 });
    const since = log.of("what the daemon before left cannot be used").length;
    expect(await takeHandover(path, "1", log)).toBeNull();
    expect(existsSync(path)).toBe(false);
    expect(log.of("what the daemon before left cannot be used").length - since).toBe(warnings);
  });
});
