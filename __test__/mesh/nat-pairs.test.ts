/**
 * Two nodes behind NATs and a public one that introduces them (row D6): they reach each other directly, through real routers. `--no-relay`,
 * so that nothing else can carry the pings.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { allowanceMs, until } from "./harness/time.ts";
import type { KindName } from "./lab/kinds.ts";
import { useInternet } from "./lab/useInternet.ts";

const internet = useInternet();

beforeAll(async () => {
  await internet.startServers({ dhtNodes: 0 });
});

interface PathsStatus {
  readonly layers: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
}

describe("with one public node", () => {
  test.each<[KindName, KindName, number]>([
    ["M", "M", 5_000],
    ["PR", "PR", 5_000],
    ["R", "AR", 5_000],
    // Many sockets against many ports: the first attempt hits in 98 of 100.
    ["R", "PR", 8_000],
  ])("%s and %s ping each other directly", async (kindA, kindB, promisedMs) => {
    const name = `${kindA}${kindB}`.toLowerCase();
    const secretFile = internet.lab.newSecretFile(name);
    const hubSite = internet.addSite(`${name}h`, "O");
    const places = [hubSite, internet.addSite(`${name}a`, kindA), internet.addSite(`${name}b`, kindB)];
    const flags = [...internet.discoveryFlags, "--no-dht", "--no-relay", "--log-level", "debug"];
    const nodes = places.map((site, index) => {
      const hostName = `${name}${index}`;
      const host = site.addHost(hostName);
      const peer = index === 0 ? [] : ["--peer", hubSite.address];
      return internet.lab.addNode(hostName, { secretFile, flags: [...flags, ...peer] }, host);
    });
    for (const node of nodes) node.start();
    const [, a, b] = nodes;
    if (a === undefined || b === undefined) throw new Error("two nodes");
    const statusB = await b.untilRunning();
    const tookMs = await a.pingUntilAnswered(statusB.mesh_ip, allowanceMs(promisedMs));
    console.log(`${kindA} ${kindB}: ${Math.round(tookMs)} ms to the first ping; promised ${promisedMs}`);
    const punching = await until("the punching is at rest", allowanceMs(10_000), async () => {
      const { layers } = await a.rpc<PathsStatus>("daemon.status");
      const layer = layers.find(({ name: layerName }) => layerName === "punching");
      return layer?.detail.startsWith("0 under way") === true && layer;
    });
    expect(punching.state).toBe("running");
  });
});
