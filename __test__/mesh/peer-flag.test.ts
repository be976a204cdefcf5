import { describe, expect, test } from "vitest";
import { formMesh, pingAllPairs } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

describe("--peer, without LAN discovery", () => {
  describe("of one node by two others", () => {
    const lab = useLab();
    const first = lab.addNode("first", { flags: ["--no-lan-discovery"] });
    const flags = ["--no-lan-discovery", "--peer", first.host.address];
    const others = ["second", "third"].map((name) => lab.addNode(name, { flags }));

    test("is enough for all to find each other", async () => {
      await formMesh([first, ...others]);
    });

    test("is said in the list of peers, and LAN discovery is off in the status", async () => {
      const [second] = others;
      const { layers } =
        (await second?.clientJson<{ layers: { name: string; state: string }[] }>("status")) ?? {};
      expect(layers).toContainEqual(expect.objectContaining({ name: "lan", state: "off" }));
      const listed = await second?.clientJson<{ peers: { discovered_via: string[] }[] }>("peers", "list");
      expect(listed?.peers.flatMap((peer) => peer.discovered_via)).toContain("static");
    });
  });

  describe("of a node that is not there yet", () => {
    const lab = useLab();
    const late = lab.addNode("late", { flags: ["--no-lan-discovery"] });
    const early = lab.addNode("early", { flags: ["--no-lan-discovery", "--peer", late.host.address] });

    test("is tried again until it is", async () => {
      early.start();
      const status = await early.untilRunning();
      // Longer than one HELLO exchange, so that it has been given up once.
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      late.start();
      await pingAllPairs([
        { node: early, status },
        { node: late, status: await late.untilRunning() },
      ]);
    });
  });

  describe("over an underlay that has IPv6 only", () => {
    const lab = useLab();
    const first = lab.addNode("first", { flags: ["--no-lan-discovery"] });
    const second = lab.addNode("second", { flags: ["--no-lan-discovery", "--peer", "[2001:db8::1]"] });

    test("forms a mesh", async () => {
      for (const [node, address] of [
        [first, "2001:db8::1/64"],
        [second, "2001:db8::2/64"],
      ] as const) {
        await node.exec(["ip", "address", "flush", "dev", "eth0", "scope", "global"]);
        await node.exec(["ip", "address", "add", address, "dev", "eth0", "nodad"]);
      }
      await formMesh([first, second]);
      const peers = await second.wgPeers();
      expect(peers?.map((peer) => peer.endpoint)).toEqual([expect.stringMatching(/^\[2001:db8::1\]:\d+$/)]);
    });
  });
});
