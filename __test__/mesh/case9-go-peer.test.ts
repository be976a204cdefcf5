import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GoPeer, goPeerProgram, type RunningGoPeer } from "./goPeer/goPeer.ts";
import { must, run } from "./harness/exec.ts";
import { MeshNode } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** It changes its interface in its reconcile only, every 5 s (PROTOCOL.md section 11.1). */
const reconcileMs = 5000;

test("the independent peer agrees with the vectors", async () => {
  const vectors = path.resolve(import.meta.dirname, "../vectors/vectors.json");
  const { code, stdout } = await run([...goPeerProgram("check_vectors.py"), vectors]);
  expect(stdout).toMatch(/^\d+ checked, 0 differ\n$/);
  expect(code).toBe(0);
});

describe("a Go peer and two nodes of ours on one link", () => {
  const lab = useLab();
  const nodes = [lab.addNode("a"), lab.addNode("b")] as const;
  const place = new MeshNode("go", lab.addHost("go"), {});
  let go: GoPeer;
  let inGo: RunningGoPeer;
  let members: [Member, Member];

  beforeAll(async () => {
    // The Go peer announces itself on the system's default interface.
    must(["ip", "-n", place.host.namespace, "route", "add", "224.0.0.0/4", "dev", "eth0"]);
    go = new GoPeer(place, lab.secretFile);
    members = (await formMesh(nodes)) as [Member, Member];
    inGo = await go.event<RunningGoPeer>("running");
  });

  afterAll(() => go.stop());

  const pingBothWays = async (): Promise<void> => {
    const limitMs = allowanceMs(reconcileMs);
    await Promise.all(
      members.flatMap(({ node, status }) => [
        node.pingUntilAnswered(inGo.mesh_ip, limitMs),
        node.pingUntilAnswered(inGo.mesh_ipv6, limitMs),
        place.pingUntilAnswered(status.mesh_ip, limitMs),
        place.pingUntilAnswered(status.mesh_ipv6, limitMs),
      ]),
    );
  };

  test("form one mesh: every ping is answered, both ways, over IPv4 and IPv6", async () => {
    await pingBothWays();
    const { peers, handshakes } = await go.status();
    expect(Object.keys(peers).sort()).toEqual(members.map(({ status }) => status.pubkey).sort());
    for (const { status } of members) expect(handshakes[status.pubkey]).toBeGreaterThan(0);
  });

  test("understand each other: it opens all we send, and we show it as it is", async () => {
    for (const { node, status } of members) {
      expect((await go.status()).peers[status.pubkey]?.endpoint).toBe(
        `${node.host.address}:${status.listen_port}`,
      );
      expect(await node.clientJson("peers", "get", inGo.key)).toMatchObject({
        hostname: "go-peer",
        mesh_ip: inGo.mesh_ip,
        mesh_ipv6: inGo.mesh_ipv6,
        state: "connected",
        proven: false,
      });
    }
    const { opened, rejected, unknown_members } = await go.status();
    expect(opened).toBeGreaterThan(0);
    expect(rejected).toBe(0);
    // It met our extension members and let them be.
    expect(unknown_members).toEqual(expect.arrayContaining(["instance", "message_id", "proof"]));
  });

  test("go on after one of ours was killed and started again", async () => {
    const [{ node }] = members;
    await node.kill9();
    node.start();
    await node.untilRunning();
    await pingBothWays();
  });

  test("go on after one of ours was stopped: the Go peer drops it at its goodbye, and takes it back", async () => {
    const [{ node, status }] = members;
    const since = go.events.length;
    await node.stop();
    expect(await go.event("goodbye", since)).toMatchObject({ key: status.pubkey });
    await until("its interface has no such peer", allowanceMs(reconcileMs), async () => {
      const { peers, handshakes } = await go.status();
      return !(status.pubkey in peers) && !(status.pubkey in handshakes);
    });
    await node.startAndWait();
    await pingBothWays();
  });

  test("never sent it more than its limiter lets pass", async () => {
    expect((await go.status()).dropped).toEqual({});
    expect(go.events.filter(({ event }) => event === "failed" || event === "rejected")).toEqual([]);
  });

  test("part well: ours drop the Go peer when it says goodbye", async () => {
    await go.stop();
    for (const { node } of members) {
      await until("the Go peer is gone", allowanceMs(1000), async () => {
        const peers = await node.wgPeers();
        return peers?.every(({ publicKey }) => publicKey !== inGo.key);
      });
      expect(await node.clientJson("peers", "count")).toMatchObject({ active: 1 });
    }
  });
});
