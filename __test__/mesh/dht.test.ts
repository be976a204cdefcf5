/** Nodes that have nothing in common but the DHT, whose nodes are of another implementation. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { nodeAddresses } from "../../src/discovery/dht/nodesFile.ts";
import { formMesh, pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, timed, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";
import { useInternet } from "./lab/useInternet.ts";

interface Layer {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly last_error: string | null;
}

async function dhtLayer(node: { rpc<T>(method: string): Promise<T> }): Promise<Layer | undefined> {
  const { layers } = await node.rpc<{ layers: Layer[] }>("daemon.status");
  return layers.find(({ name }) => name === "dht");
}

describe("two nodes at public addresses, without LAN discovery", () => {
  const internet = useInternet();
  const sites = ["alice", "bob"].map((name) => internet.addSite(name, "O"));
  const home = internet.addSite("home", "M");
  let flags: readonly string[] = [];

  beforeAll(async () => {
    await internet.startServers();
    flags = internet.discoveryFlags.filter(
      (flag, index, all) => !flag.includes("stun") && !(all[index - 1] ?? "").includes("stun"),
    );
  });

  test("find each other by the DHT, and say so", async () => {
    const nodes = sites.map((site) => {
      const host = site.addHost(site.name);
      return internet.lab.addNode(site.name, { flags: [...flags, "--no-stun"] }, host);
    });
    const { ms, value: members } = await timed(() => formMesh(nodes));
    console.log(`DHT alone, public addresses: every ping answered ${Math.round(ms)} ms after launch`);
    for (const node of nodes) {
      const layer = await until("the DHT layer runs", allowanceMs(2_000), async () => {
        const seen = await dhtLayer(node);
        return seen?.state === "running" && seen;
      });
      expect(layer.last_error).toBeNull();
      const { peers } = await node.clientJson<{ peers: { discovered_via: string[] }[] }>("peers", "list");
      expect(peers.flatMap((peer) => peer.discovered_via)).toContain("dht");
    }

    const [alice] = nodes;
    if (alice === undefined) throw new Error("no node");
    await alice.stop();
    const [file = ""] = (await alice.exec(["ls", alice.stateDir])).stdout
      .split("\n")
      .filter((name) => name.endsWith("-dht.nodes"));
    expect(file).toMatch(/^wg0-[0-9a-f]{16}-dht\.nodes$/);
    const place = path.join(alice.stateDir, file);
    expect(statSync(place).mode & 0o777).toBe(0o640);
    const known = nodeAddresses(readFileSync(place)).map(({ host }) => host);
    expect(known).not.toEqual([]);
    expect(internet.servers.dht).toEqual(expect.arrayContaining(known));

    // The nodes of the file are enough, where no name resolves.
    const [, bob] = members;
    const again = internet.lab.addNode(
      "again",
      { flags: ["--no-lan-discovery", "--no-stun", "--dht-bootstrap", "nowhere.example:6881"] },
      alice.host,
    );
    again.start("--state-dir", alice.stateDir);
    const status = await again.untilRunning();
    if (bob === undefined) throw new Error("no member");
    await pingAllPairs([{ node: again, status }, bob], 5_000);
  });

  test("are degraded with a growing pause where nothing answers, and back within 10 s of the network", async () => {
    const node = internet.lab.addNode(home.name, { flags: [...flags, "--no-stun"] }, home.addHost(home.name));
    // Beyond the router, so that no event tells the host.
    home.setLink("down");
    node.start("--log-level", "debug");
    await node.untilRunning();
    const pauses = () =>
      node.log.flatMap(({ fields }) =>
        /^DHT (still )?not reachable$/.test(String(fields?.msg)) ? [Number(fields?.retryInMs)] : [],
      );
    await until("the DHT was tried twice", allowanceMs(15_000), () => pauses().length >= 2);
    expect(await dhtLayer(node)).toMatchObject({ state: "degraded", last_error: "no DHT node answers" });
    const [first = 0, second = 0] = pauses();
    expect(second).toBeGreaterThan(first);
    const isIn = (state: string) => async () => (await dhtLayer(node))?.state === state;
    for (const what of ["at first", "again"]) {
      home.setLink("up");
      const { ms } = await timed(() => until("the DHT layer runs", allowanceMs(10_000), isIn("running")));
      console.log(`DHT reached ${what} ${Math.round(ms)} ms after the network`);
      home.setLink("down");
      await until("the DHT layer says that it is not heard", allowanceMs(60_000), isIn("degraded"));
    }
    await node.stop();
  });
});

describe("nodes on a LAN without Internet, the DHT on", () => {
  const lab = useLab();
  const nodes = ["one", "two"].map((name) => lab.addNode(name));

  test("form a mesh as ever, the DHT degraded and quiet", async () => {
    await formMesh(nodes);
    for (const node of nodes) {
      const layer = await until("the DHT layer has given up once", allowanceMs(2_000), async () => {
        const seen = await dhtLayer(node);
        return seen?.state === "degraded" && seen;
      });
      expect(layer.last_error).not.toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      const loud = node.log.filter(
        ({ fields }) => /\bDHT\b/.test(String(fields?.msg)) && fields?.level !== "debug",
      );
      expect(loud.length).toBeLessThanOrEqual(1);
    }
  });
});
