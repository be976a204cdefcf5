import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { formMesh, pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, isEmulated, median, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Nothing finds a peer any more but what a node remembers. */
const ALONE = ["--no-lan-discovery", "--no-dht", "--no-stun"];
const PROMISED_MS = 3_000;
const ROUNDS = isEmulated ? 1 : 3;
const DAY_SECONDS = 86_400;

interface Entry {
  readonly wg_pubkey: string;
  readonly last_seen: number;
}

const cacheOf = (node: MeshNode): string => path.join(node.stateDir, `${node.iface}-peers.json`);

function cached(node: MeshNode): Entry[] {
  try {
    return (JSON.parse(readFileSync(cacheOf(node), "utf8")) as { peers: Entry[] | null }).peers ?? [];
  } catch {
    // Not written yet.
    return [];
  }
}

const allCached = (nodes: readonly MeshNode[]): Promise<true> =>
  until("all are in all caches", allowanceMs(PROMISED_MS), () =>
    nodes.every((node) => cached(node).length === nodes.length - 1),
  );

/** Starts all at once, with caches alone; milliseconds until each has pinged each, counted from when the last one runs. */
async function startFromCaches(nodes: readonly MeshNode[]): Promise<number> {
  for (const node of nodes) node.start(...ALONE);
  const members = await Promise.all(nodes.map(async (node) => ({ node, status: await node.untilRunning() })));
  const startMs = nowMs();
  await pingAllPairs(members, PROMISED_MS);
  return nowMs() - startMs;
}

async function moveTo(node: MeshNode, address: string): Promise<void> {
  await node.exec(["ip", "address", "flush", "dev", "eth0", "scope", "global"]);
  await node.exec(["ip", "address", "add", `${address}/24`, "dev", "eth0"]);
}

describe("a mesh whose DHT and multicast are gone", () => {
  const lab = useLab();
  const nodes = ["first", "second", "third", "fourth"].map((name) => lab.addNode(name));
  const [first, second, third, fourth] = nodes as [MeshNode, MeshNode, MeshNode, MeshNode];

  test("stands up again from caches alone, when all are killed moments after they have met", async () => {
    await formMesh(nodes);
    await allCached(nodes);
    await Promise.all(nodes.map((node) => node.kill9()));
    expect(await startFromCaches(nodes)).toBeLessThan(allowanceMs(PROMISED_MS));
  });

  test("stands up again within three seconds of an orderly stop of all", async () => {
    const samples: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.all(nodes.map((node) => node.stop()));
      samples.push(await startFromCaches(nodes));
    }
    if (process.env.WGMESH_TEST_TIMES !== undefined) console.log(samples);
    expect(median(samples)).toBeLessThan(allowanceMs(PROMISED_MS));
  });

  test("and finds a node that has another address, since that one greets the others", async () => {
    await allCached(nodes);
    await Promise.all(nodes.map((node) => node.kill9()));
    await moveTo(fourth, "192.0.2.99");
    await startFromCaches(nodes);
    expect((await first.wgPeers())?.map(({ endpoint }) => endpoint)).toContainEqual(
      expect.stringMatching(/^192\.0\.2\.99:/),
    );
  });

  test("knows nothing of a peer that nobody heard for a day", async () => {
    await allCached(nodes);
    await Promise.all(nodes.map((node) => node.kill9()));
    const cache = JSON.parse(readFileSync(cacheOf(first), "utf8")) as { peers: Entry[] };
    const [old, ...rest] = cache.peers as [Entry, Entry, Entry];
    const peers = [{ ...old, last_seen: Math.floor(Date.now() / 1000) - DAY_SECONDS - 60 }, ...rest];
    writeFileSync(cacheOf(first), JSON.stringify({ ...cache, peers }));
    await first.startAndWait(...ALONE);
    const listed = await first.rpc<{ peers: { pubkey: string }[] }>("peers.list");
    expect(listed.peers.map(({ pubkey }) => pubkey).sort()).toEqual(
      rest.map((peer) => peer.wg_pubkey).sort(),
    );
    await first.kill9();
  });

  test("a node whose cache is damaged says so, starts, and is found by the others", async () => {
    writeFileSync(cacheOf(first), '{"peers": [{"wg_pub');
    await startFromCaches([first, second, third]);
    expect(first.findLog(({ fields }) => fields?.msg === "peer cache damaged")).toBeDefined();
  });
});
