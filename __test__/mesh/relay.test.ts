import { beforeAll, describe, expect, test } from "vitest";
import { capture } from "./harness/capture.ts";
import type { MeshNode, PeerJson, StatusJson } from "./harness/node.ts";
import { SteadyPing } from "./harness/ping.ts";
import { allowanceMs, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const FLAGS = ["--no-lan-discovery", "--no-dht", "--no-stun"];
/** What pings carry, so that it can be looked for. */
const PATTERN = "7767206d65736820706c61696e2174";

interface RelayedPeer extends PeerJson {
  readonly relay: string | null;
}

async function pathTo(node: MeshNode, pubkey: string): Promise<RelayedPeer | undefined> {
  const { peers } = await node.rpc<{ peers: RelayedPeer[] }>("peers.list");
  return peers.find((peer) => peer.pubkey === pubkey);
}

/** Lets nothing pass between the node's host and an address. */
async function part(node: MeshNode, address: string): Promise<void> {
  const rules = [
    "add table inet apart",
    "add chain inet apart in { type filter hook input priority 0; }",
    "add chain inet apart out { type filter hook output priority 0; }",
    `add rule inet apart in ip saddr ${address} drop`,
    `add rule inet apart out ip daddr ${address} drop`,
  ];
  for (const rule of rules) await node.exec(["nft", rule]);
}

describe("two nodes that cannot reach each other, and two that both reach", () => {
  const lab = useLab();
  const one = lab.addNode("one", { flags: FLAGS });
  const two = lab.addNode("two", { flags: [...FLAGS, "--peer", one.host.address] });
  const flags = [...FLAGS, "--peer", one.host.address, "--peer", two.host.address];
  const alice = lab.addNode("alice", { flags });
  const bob = lab.addNode("bob", { flags });
  let here: StatusJson;
  let there: StatusJson;

  beforeAll(async () => {
    await part(alice, bob.host.address);
    await part(bob, alice.host.address);
    await Promise.all([one, two].map((node) => node.startAndWait()));
    [here, there] = await Promise.all([alice.startAndWait(), bob.startAndWait()]);
  });

  const relayOf = async (): Promise<MeshNode> => {
    const relay = (await pathTo(alice, there.pubkey))?.relay;
    const statuses = await Promise.all(
      [one, two].map((node) => node.rpc<StatusJson>("daemon.status").catch(() => null)),
    );
    const index = statuses.findIndex((status) => status?.pubkey === relay);
    const found = [one, two][index];
    if (found === undefined) throw new Error(`no relay: ${relay}`);
    return found;
  };

  test("are relayed, by the same one", async () => {
    const startMs = nowMs();
    await alice.pingUntilAnswered(there.mesh_ip, allowanceMs(8_000));
    console.log(`relayed after ${Math.round(nowMs() - startMs)} ms`);
    // Each end says so when it has heard of the other's frames itself; the first answer may come before that.
    const [toBob, toAlice] = await until("both ends say the same relay", allowanceMs(2_000), async () => {
      const ends = [await pathTo(alice, there.pubkey), await pathTo(bob, here.pubkey)] as const;
      return ends.every((end) => end?.path === "relayed") && ends[0]?.relay === ends[1]?.relay ? ends : null;
    });
    expect(toBob).toMatchObject({ path: "relayed", endpoint: expect.stringMatching(/^127\.0\.0\.1:/) });
    expect(toAlice).toMatchObject({ path: "relayed", relay: toBob?.relay });
  });

  test("say nothing that the relay could read", async () => {
    const relay = await relayOf();
    const ends = [here.mesh_ip, there.mesh_ip] as const;
    const [outside, inside, control] = await Promise.all([
      capture(relay, "eth0", PATTERN, ends),
      capture(relay, relay.iface, PATTERN, ends),
      capture(alice, alice.iface, PATTERN, ends),
    ]);
    const { code } = await alice.exec(["ping", "-n", "-c", "20", "-i", "0.05", "-p", PATTERN, there.mesh_ip]);
    expect(code).toBe(0);
    const plain = await control.finish();
    expect(plain.withPattern).toBeGreaterThanOrEqual(40);
    expect(plain.betweenThem).toBeGreaterThanOrEqual(40);
    const [onSocket, onInterface] = [await outside.finish(), await inside.finish()];
    // In and out of its socket, both ways; what comes at once may be seen as one.
    expect(onSocket.packets).toBeGreaterThanOrEqual(40);
    expect([onSocket.withPattern, onInterface.withPattern, onInterface.betweenThem]).toEqual([0, 0, 0]);
  });

  test("take the other relay within seconds when theirs is killed", async () => {
    const relay = await relayOf();
    const steady = new SteadyPing(alice, there.mesh_ip, 100);
    await relay.kill9();
    const startMs = nowMs();
    await until("the other relay is taken", allowanceMs(10_000), async () => {
      const peer = await pathTo(alice, there.pubkey);
      return (
        peer?.path === "relayed" && peer.relay !== null && (await relayOf().catch(() => relay)) !== relay
      );
    });
    await alice.pingUntilAnswered(there.mesh_ip, allowanceMs(2_000));
    console.log(`another relay after ${Math.round(nowMs() - startMs)} ms`);
    await steady.finish();
  });

  test("go direct once they can, and stay so", async () => {
    const steady = new SteadyPing(alice, there.mesh_ip, 50);
    for (const node of [alice, bob]) await node.exec(["nft", "delete table inet apart"]);
    const startMs = nowMs();
    await until("both are direct", allowanceMs(40_000), async () => {
      const paths = [await pathTo(alice, there.pubkey), await pathTo(bob, here.pubkey)];
      return paths.every((peer) => peer?.path === "direct");
    });
    console.log(`direct after ${Math.round(nowMs() - startMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const { sent, lost } = await steady.finish();
    console.log(`${lost.length} of ${sent} pings lost`);
    expect((await pathTo(alice, there.pubkey))?.path).toBe("direct");
    expect((await alice.wgPeers())?.find((peer) => peer.publicKey === there.pubkey)?.endpoint).toMatch(
      new RegExp(`^${bob.host.address}:`),
    );
    expect(lost.length).toBeLessThan(40);
  });
});

describe("with --no-relay", () => {
  const lab = useLab();
  const middle = lab.addNode("middle", { flags: [...FLAGS, "--no-relay"] });
  const flags = [...FLAGS, "--peer", middle.host.address];
  const alice = lab.addNode("alice", { flags });
  const bob = lab.addNode("bob", { flags });

  test("a node relays for nobody, and the status of the others says why there is no path", async () => {
    await part(alice, bob.host.address);
    await part(bob, alice.host.address);
    await middle.startAndWait();
    const [, there] = await Promise.all([alice.startAndWait(), bob.startAndWait()]);
    const { warnings } = await until("the status says so", allowanceMs(20_000), async () => {
      const status = await alice.rpc<{ warnings: string[] }>("daemon.status");
      return status.warnings.some((text) => text.includes(there.pubkey)) && status;
    });
    expect(warnings).toContainEqual(expect.stringMatching(/^no path to peer .*no trusted node/));
    const { code } = await alice.exec(["ping", "-n", "-c", "1", "-w", "2", there.mesh_ip]);
    expect(code).not.toBe(0);
  });
});
