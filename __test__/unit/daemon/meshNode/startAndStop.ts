import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { WgmeshError } from "../../../../src/core/errors.ts";
import type { FakeNode } from "../fakeNode.ts";
import { expectNothingLeft, host, make, SHUTDOWN, STARTUP, start, until } from "./nodes.ts";

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
