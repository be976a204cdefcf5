import { describe, expect, test } from "vitest";
import { isMesh, type NodeOptions, type TestNode } from "./memoryMesh.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const mesh = useMemoryMesh();

const startNode = (name: string, last: number, options: NodeOptions = {}): Promise<TestNode> =>
  mesh.start(name, `192.0.2.${last}`, { lan: false, ...options });

const layer = (node: TestNode) => node.discovery.layers().find(({ name }) => name === "static");

describe("--peer", () => {
  test("by literal is asked at once, while another's name never resolves", async () => {
    const target = await startNode("target", 1);
    const node = await startNode("node", 2, {
      resolve: () => new Promise(() => {}),
      staticPeers: [
        { host: "hangs.example", port: null },
        { host: "192.0.2.1", port: null },
      ],
    });
    await mesh.clock.advance(10);
    expect(isMesh([node, target])).toBe(true);
    expect(node.store.get(target.key)?.methods).toContain("static");
    await mesh.clock.advance(4_000);
    expect(layer(node)).toMatchObject({ state: "degraded", detail: "1 of 2 answer" });
    expect(layer(node)?.lastError).toContain("hangs.example:52000: the name was not resolved in time");
  });

  test("by name tries every address, and is resolved again when it falls silent", async () => {
    let addresses = ["198.51.100.7", "192.0.2.1"];
    const old = await startNode("target", 1);
    const resolve = async (): Promise<string[]> => addresses;
    const node = await startNode("node", 2, { resolve, staticPeers: [{ host: "peer.example", port: null }] });
    await mesh.clock.until(() => isMesh([node, old]), 1_000);
    await old.crash();
    mesh.nodes = [node];
    addresses = ["192.0.2.30"];
    const moved = await startNode("target", 30, { instance: "00112233445566aa" });
    // Active for five minutes after its last word, looked at every 30 s, then asked again within seconds.
    await mesh.clock.until(() => isMesh([node, moved]), 400_000, 1_000);
    expect(node.store.get(moved.key)?.endpoint?.host).toBe("192.0.2.30");
  });

  test("that is not there yet is asked again with backoff up to 30 s, and found when it comes", async () => {
    const node = await startNode("node", 2, { staticPeers: [{ host: "192.0.2.1", port: null }] });
    await mesh.clock.advance(300_000);
    const rounds = new Set(mesh.network.sent.map(({ data }) => data.toString())).size;
    expect(rounds).toBeGreaterThanOrEqual(9);
    expect(rounds).toBeLessThanOrEqual(20);
    expect(layer(node)).toMatchObject({ state: "degraded", lastError: "192.0.2.1:52000: no answer" });
    const target = await startNode("target", 1);
    expect(await mesh.clock.until(() => isMesh([node, target]), 60_000, 100)).toBeLessThanOrEqual(41_000);
    expect(layer(node)?.state).toBe("running");
  });

  test("named twice is one", async () => {
    const peer = { host: "192.0.2.1", port: null };
    const node = await startNode("node", 2, { staticPeers: [peer, { ...peer }] });
    expect(layer(node)?.detail).toBe("0 of 1 answer");
  });

  test("at another control port is asked there", async () => {
    const node = await startNode("node", 2, { staticPeers: [{ host: "192.0.2.9", port: 4_000 }] });
    await mesh.clock.advance(10);
    expect(mesh.network.sent.map(({ to }) => to)).toEqual(["192.0.2.9:4000"]);
    expect(node.store.size).toBe(0);
  });

  test("that says goodbye and comes back is found again", async () => {
    const target = await startNode("target", 1);
    const node = await startNode("node", 2, { staticPeers: [{ host: "192.0.2.1", port: null }] });
    await mesh.clock.advance(1_500);
    const leaving = target.discovery.goodbye();
    await mesh.clock.advance(100);
    await leaving;
    await target.crash();
    mesh.nodes = [node];
    expect(node.store.get(target.key)).toBeUndefined();
    await mesh.clock.advance(2_000);
    const again = await startNode("target", 1, { instance: "00112233445566aa" });
    expect(await mesh.clock.until(() => isMesh([node, again]), 60_000, 50)).toBeLessThanOrEqual(12_000);
  });

  test("whose key is known has a proof from us with the first datagram", async () => {
    const [target, other] = [await startNode("target", 1), await startNode("other", 3)];
    const places = [
      { host: "192.0.2.1", port: null, publicKey: target.key },
      { host: "192.0.2.3", port: null },
    ];
    const node = await startNode("node", 2, { staticPeers: places });
    await mesh.clock.advance(5);
    expect([target, other].map(({ store }) => store.get(node.key)?.proven)).toEqual([true, false]);
  });
});
