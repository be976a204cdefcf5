import { existsSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { formMesh } from "./harness/ping.ts";
import { allowanceMs, delay, nowMs, timed, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const instants = 20;

/** Waits for the end, and checks that nothing that should be gone is left. */
async function expectCleanEnd(node: MeshNode, since: number): Promise<void> {
  const end = await node.exit();
  const logged = node.log.length > since;
  // Before its first log line a node has touched nothing, and the signal may simply end it.
  if (logged || end.signal === null) expect(end).toEqual({ code: 0, signal: null });
  else expect(end).toEqual({ code: null, signal: "SIGTERM" });
  expect(await node.hasInterface()).toBe(false);
  expect(node.leftovers()).toEqual([]);
}

describe("SIGTERM to a running node", () => {
  const lab = useLab();
  const stays = lab.addNode("stays");
  const leaves = lab.addNode("leaves");

  test("ends it with 0; interface, socket and PID file go; the lock, the state and the peer cache stay", async () => {
    await formMesh([stays, leaves]);
    leaves.signal("SIGTERM");
    const { ms } = await timed(() =>
      until("the other drops the peer", allowanceMs(1000), async () => (await stays.wgPeers())?.length === 0),
    );
    console.log(`the other dropped the peer ${Math.round(ms)} ms after SIGTERM`);
    await expectCleanEnd(leaves, 0);
    for (const file of ["wg0.json", "wg0-peers.json"]) {
      expect(existsSync(path.join(leaves.stateDir, file)), file).toBe(true);
    }
    const locks = [leaves.runDir, leaves.stateDir].map((folder) => path.join(folder, "wg0.lock"));
    expect(locks.some((file) => existsSync(file))).toBe(true);
    expect(await stays.clientJson("peers", "count")).toMatchObject({ active: 0 });
    expect(await stays.clientJson("peers", "list", "--all")).toMatchObject({
      peers: [],
      departed: [{ hostname: expect.any(String), reason: "goodbye" }],
    });
  });

  test("lets it come back and be pinged at once", async () => {
    const { mesh_ip } = await leaves.startAndWait();
    await stays.pingUntilAnswered(mesh_ip, allowanceMs(2000));
  });

  test("twice in a row leaves nothing behind either", async () => {
    const since = leaves.log.length;
    leaves.signal("SIGTERM");
    await delay(30);
    leaves.signal("SIGTERM");
    await expectCleanEnd(leaves, since);
  });

  test("is what SIGINT does, too", async () => {
    await leaves.startAndWait();
    const since = leaves.log.length;
    leaves.signal("SIGINT");
    await expectCleanEnd(leaves, since);
  });

  test("is what wgmesh down does, too", async () => {
    await leaves.startAndWait();
    const since = leaves.log.length;
    const { code, stderr } = await leaves.client("down");
    expect([code, stderr]).toEqual([0, ""]);
    await expectCleanEnd(leaves, since);
  });
});

describe("SIGTERM to a node that is starting", () => {
  const lab = useLab();
  const node = lab.addNode("node");
  let startupMs = 0;

  beforeAll(async () => {
    const start = nowMs();
    await node.startAndWait();
    startupMs = nowMs() - start;
    await node.stop();
  });

  test("at its first log line ends it with 0 and leaves nothing behind", async () => {
    const since = node.log.length;
    node.start();
    await until("a first log line", allowanceMs(2000), () => node.log.length > since);
    node.signal("SIGTERM");
    await expectCleanEnd(node, since);
  });

  test.each(Array.from({ length: instants }, (_, index) => index + 1))(
    `leaves nothing behind at instant %i of ${instants} of the startup`,
    async (instant) => {
      const since = node.log.length;
      node.start();
      await delay((startupMs * instant) / instants);
      node.signal("SIGTERM");
      await expectCleanEnd(node, since);
    },
  );

  test("twice in a row leaves nothing behind either", async () => {
    const since = node.log.length;
    node.start();
    await until("a first log line", allowanceMs(2000), () => node.log.length > since);
    node.signal("SIGTERM");
    node.signal("SIGTERM");
    await expectCleanEnd(node, since);
  });
});
