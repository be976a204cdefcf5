import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { formMesh, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const quiet = ["--no-dht", "--no-stun"];

interface Limited {
  readonly peers: { readonly total: number };
  readonly limits: { readonly peers: number; readonly memory_bytes: number | null };
  readonly warnings: readonly string[];
}
const statusOf = (node: MeshNode): Promise<Limited> => node.rpc<Limited>("daemon.status");

/** What a run leaves that knew so many just now. */
function cache(meshIp: string, count: number): string {
  const subnet = meshIp.split(".").slice(0, 2).join(".");
  const seconds = Math.floor(Date.now() / 1000);
  const peers = Array.from({ length: count }, (_, index) => ({
    wg_pubkey: randomBytes(32).toString("base64"),
    mesh_ip: `${subnet}.200.${index + 1}`,
    endpoint: `198.51.100.${index + 1}:51820`,
    last_seen: seconds,
  }));
  return JSON.stringify({ peers, updated_at: seconds });
}

test("max-peers is a cap that counts at once when it changes, and spares whoever has a tunnel", async () => {
  const capped = lab.addNode("capped", { flags: quiet });
  const { mesh_ip } = await capped.startAndWait();
  await capped.stop();
  writeFileSync(path.join(capped.stateDir, "wg0-peers.json"), cache(mesh_ip, 30), { mode: 0o600 });
  const other = lab.addNode("other", { flags: quiet });
  const members = await formMesh([capped, other]);
  expect(await statusOf(capped)).toMatchObject({
    peers: { total: 31 },
    limits: { peers: 1000, memory_bytes: null },
  });
  expect(await capped.client("config", "set", "max-peers", "10")).toMatchObject({
    code: 0,
    stdout: "changed: max-peers=10\n",
  });
  expect(await statusOf(capped)).toMatchObject({ peers: { total: 10 }, limits: { peers: 10 } });
  expect(await capped.rpc("peers.get", { pubkey: members[1]?.status.pubkey })).toMatchObject({
    state: "connected",
  });
  expect((await capped.client("config", "set", "max-peers", "9")).code).toBe(2);
  expect(await capped.stop()).toEqual({ code: 0, signal: null });
  writeFileSync(path.join(capped.stateDir, "wg0-peers.json"), cache(mesh_ip, 30), { mode: 0o600 });
  await capped.startAndWait("--max-peers", "20");
  await until("it is full", allowanceMs(3000), async () => (await statusOf(capped)).peers.total === 20);
  expect(await capped.stop()).toEqual({ code: 0, signal: null });
  await other.stop();
});

test("above memory-limit there is a trouble, nobody new comes in, and tunnels stay; below it all is as before", async () => {
  const small = lab.addNode("small", { flags: [...quiet, "--threads", "1"] });
  const known = lab.addNode("known", { flags: quiet });
  const members = await formMesh([small, known]);
  const ping = new SteadyPing(small, members[1]?.status.mesh_ip ?? "", 200);
  // No Node.js takes as little.
  await small.client("config", "set", "memory-limit", "32M");
  const warning = await until("the trouble is told", allowanceMs(6000), async () =>
    (await statusOf(small)).warnings.find((text) => text.includes("--memory-limit")),
  );
  expect(warning).toMatch(
    /^the daemon uses \d+ MiB, more than the 32 MiB of --memory-limit: nobody new is taken in/,
  );
  expect((await small.client("status")).stdout).toMatch(/uses +\d+ MiB of 32 MiB/);
  expect((await small.client("metrics")).stdout).toContain("wgmesh_memory_limit_bytes 33554432");

  const stranger = lab.addNode("stranger", { flags: quiet });
  const { pubkey } = await stranger.startAndWait();
  await until("the others know the newcomer", allowanceMs(5000), async () =>
    (await known.wgPeers())?.some(
      ({ publicKey, latestHandshake }) => publicKey === pubkey && latestHandshake > 0,
    ),
  );
  expect((await statusOf(small)).peers.total).toBe(1);

  await small.client("config", "set", "memory-limit", "2G");
  await until("it is over", allowanceMs(6000), async () => (await statusOf(small)).warnings.length === 0);
  await until(
    "the newcomer is taken in",
    allowanceMs(8000),
    async () => (await statusOf(small)).peers.total === 2,
  );
  const { sent, lost } = await ping.finish();
  expect(sent).toBeGreaterThan(5);
  expect(lost).toEqual([]);
});

test("threads and the heap are bounded from the start, once, also after a restart that asks for others", async () => {
  const node = lab.addNode("bounded", { flags: [...quiet, "--threads", "1", "--memory-limit", "1G"] });
  const words = (): string[] => readFileSync(`/proc/${node.pid}/cmdline`, "utf8").split("\0");
  const bounds = (): string[] => words().filter((word) => /^--(max-old-space-size|v8-pool-size)=/.test(word));
  await node.startAndWait();
  const expected = ["--max-old-space-size=512", "--v8-pool-size=1"];
  expect(bounds()).toEqual(expected);
  const tasks = readdirSync(`/proc/${node.pid}/task`);
  const names = tasks.map((task) => readFileSync(`/proc/${node.pid}/task/${task}/comm`, "utf8").trim());
  if (node.backend === "embedded") {
    expect(names.filter((name) => /^wg-(incoming|outgoing)$/.test(name)).sort()).toEqual([
      "wg-incoming",
      "wg-outgoing",
    ]);
  }
  expect(await node.client("restart")).toMatchObject({ code: 0 });
  await node.untilRunning();
  expect(bounds()).toEqual(expected);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});
