import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FakeHost } from "../fakeNode.ts";
import { host, make, start } from "./nodes.ts";

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
