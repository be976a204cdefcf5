/** Tunnels whose datagrams go through tunnels. */
import { describe, expect } from "vitest";
import { loopbackPair, vethPair } from "./harness/pair.ts";
import { allAnswered, noneAnswered } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";
import { tcp } from "./harness/streams.ts";
import { Tunnel } from "./harness/tunnel.ts";

describe("a tunnel inside a tunnel", () => {
  test("carries pings and streams", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    const [insideA, insideB] = await Promise.all(
      [a, b].map(({ inside }, index) => {
        const addresses = [`10.98.0.${index + 1}/24`, `fd98::${index + 1}/64`];
        return Tunnel.make(inside, { name: "wg8", port: 5, mtu: 1340, addresses });
      }),
    );
    if (!(insideA && insideB)) throw new Error("two were made");
    await insideA.setPeer(insideB, { endpoint: "[fd99::2]:5", allowedIps: ["10.98.0.2/32", "fd98::2/128"] });
    await insideB.setPeer(insideA, { allowedIps: ["10.98.0.1/32", "fd98::1/128"] });
    await allAnswered(a.inside, "10.98.0.2", { count: 10, quick: true });
    await allAnswered(b.inside, "fd98::1", { count: 10, quick: true, size: 4000 });
    await tcp(a.inside, b.inside, "10.98.0.2", 8 << 20);
    await tcp(b.inside, a.inside, "fd98::1", 1 << 20, 8);
    expect((await b.peer(a)).rxBytes).toBeGreaterThan(8 << 20);
  });

  test("reaches a peer behind a peer of the same interface, and survives one that is behind itself", async ({
    scene,
  }) => {
    const { a, b } = await vethPair(scene);
    const far = await Tunnel.make(b.inside, { name: "wg8", port: 5, addresses: ["10.98.0.2/24"] });
    await a.inside.ip("address add 10.98.0.1/24 dev wg0");
    await far.setPeer(a, { allowedIps: ["10.98.0.1/32"] });
    await a.setPeer(far, { endpoint: `${b.addresses[0]}:5`, allowedIps: ["10.98.0.2/32"] });
    await allAnswered(a.inside, "10.98.0.2");
    await far.kill();
    await a.removePeer(far);
    await a.setPeer(far, { endpoint: "10.98.0.2:5", allowedIps: ["10.98.0.2/32"] });
    await noneAnswered(a.inside, "10.98.0.2");
    await allAnswered(a.inside, b.addresses[0] ?? "");
    await a.removePeer(far);
    const { txBytes } = await a.peer(b);
    await allAnswered(a.inside, b.addresses[0] ?? "");
    expect((await a.peer(b)).txBytes).toBeLessThan(txBytes + 1000);
  });
});
