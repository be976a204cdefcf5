/** A router starts anew, at another address, while the tunnel is in use: the session is young, but the path is gone. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";
import { type Kind, NatNetwork } from "./natNetwork.ts";
import { NatNode } from "./natNode.ts";

describe("a router that reboots", () => {
  test.each<[Kind, Kind]>([
    ["M", "M"],
    ["PR", "PR"],
    ["M", "PR"],
    ["AR", "R"],
  ])("%s in a mesh with %s and a public node", async (a, b) => {
    const clock = new FakeClock();
    const chance = seededRandom(`reboot ${a} ${b}`);
    const network = new NatNetwork(clock, () => chance.unit());
    const hub = new NatNode(clock, network, "hub", { kind: "O" });
    const left = new NatNode(clock, network, "left", { kind: a, peers: [hub.publicIp] });
    const right = new NatNode(clock, network, "right", { kind: b, peers: [hub.publicIp] });
    for (const { node } of [hub, left, right]) await node.start();
    const pinging = (): void => {
      left.ping(right);
      right.ping(left);
      for (const node of [left, right]) {
        node.ping(hub);
        hub.ping(node);
      }
      clock.after(200, pinging);
    };
    pinging();
    const both = (sinceMs: number) => (): boolean =>
      left.heardFromAtMs(right) > sinceMs && right.heardFromAtMs(left) > sinceMs;
    await clock.until(both(0), 10_000, 20);
    await clock.advance(20_000);
    network.reboot("left");
    // What was under way through the old router is not counted.
    const rebootedAtMs = clock.monotonicMs() + 100;
    // STUN asks every 20 to 26 s while somebody is not connected, more rarely when all is calm.
    const tookMs = await clock.until(both(rebootedAtMs), 45_000, 20);
    expect(tookMs).toBeLessThan(45_000);
    for (const { node } of [hub, left, right]) await node.crash();
  });
});
