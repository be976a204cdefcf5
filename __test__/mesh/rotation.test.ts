import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { calm } from "./harness/calm.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, pingAllPairs, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, isEmulated, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** WGMESH_ROTATION_WHOLE=1: eight nodes that get the new secret, in place of three; two are what an emulated machine can do. */
const UP_TO_DATE = process.env.WGMESH_ROTATION_WHOLE === "1" ? 8 : isEmulated ? 2 : 3;

interface Rotation {
  readonly phase: string;
  readonly commitment: string | null;
  readonly peers: readonly { readonly pubkey: string; readonly has: boolean }[];
}

const rotation = (node: MeshNode): Promise<Rotation> => node.rpc<Rotation>("rotation.get");
const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");

async function rotateSecret(node: MeshNode, ...args: string[]): Promise<Rotation> {
  return await node.clientJson<Rotation>("rotate-secret", ...args);
}

const untilPhase = (node: MeshNode, phase: string): Promise<unknown> =>
  until(`${node.name} is ${phase}`, allowanceMs(5_000), async () => (await rotation(node)).phase === phase);

/** Until each of the members knows that each other has the new secret. */
async function untilAllHaveIt(members: readonly Member[]): Promise<void> {
  const keys = members.map((member) => member.status.pubkey);
  for (const { node, status: own } of members) {
    await until(`${node.name} knows who has it`, allowanceMs(15_000), async () => {
      const { peers } = await rotation(node);
      const has = new Set(peers.filter((peer) => peer.has).map(({ pubkey }) => pubkey));
      return keys.every((key) => key === own.pubkey || has.has(key));
    });
  }
}

/** The mesh addresses on the interface that it did not have before, IPv4. */
async function newAddress(node: MeshNode, before: StatusJson): Promise<string> {
  const { stdout } = await node.exec(["ip", "-4", "-o", "address", "show", "dev", node.iface]);
  const all = [...stdout.matchAll(/inet ([0-9.]+)\//g)].map(([, address]) => address ?? "");
  const found = all.find((address) => address !== before.mesh_ip);
  if (found === undefined) throw new Error(`${node.name} has no second address: ${stdout}`);
  return found;
}

/** Each pings the next, round and round. */
const ring = (nodes: readonly MeshNode[], addresses: readonly string[]): SteadyPing[] =>
  nodes.map((node, index) => new SteadyPing(node, addresses[(index + 1) % nodes.length] ?? "", 20));

const answers = async (node: MeshNode, target: string): Promise<boolean> =>
  (await node.exec(["ping", "-n", "-q", "-c", "1", "-W", isEmulated ? "10" : "1", target])).code === 0;

describe("a mesh that moves to a new secret under steady ping", () => {
  const lab = useLab();
  const nodes = Array.from({ length: UP_TO_DATE }, (_, index) =>
    lab.addNode(`node${index}`, { flags: calm }),
  );
  const stolen = lab.addNode("stolen", { flags: calm });
  const absent = lab.addNode("absent", { flags: calm });
  const file = path.join(lab.folder, "next.secret");
  const [first, second] = nodes as [MeshNode, MeshNode];
  const pings: SteadyPing[] = [];
  let members: Member[];
  let inStolen: Member;

  test("announces it to all, and nothing changes by that", async () => {
    const all = await formMesh([...nodes, stolen, absent]);
    members = all.slice(0, nodes.length);
    inStolen = all[nodes.length] as Member;
    await absent.stop();
    pings.push(
      ...ring(
        nodes,
        members.map((member) => member.status.mesh_ip),
      ),
    );
    const begun = await rotateSecret(first, "--grace", "1h", "--output", file);
    expect(begun.phase).toBe("accepted");
    for (const node of [...nodes.slice(1), stolen]) await untilPhase(node, "announced");
    expect(await answers(stolen, members[0]?.status.mesh_ip ?? "")).toBe(true);
  });

  test("takes no other secret than the one that is announced", async () => {
    const wrong = lab.newSecretFile("wrong");
    const { code, stderr } = await second.client("rotate-secret", "--accept", "--secret-file", wrong);
    expect([code, stderr]).toEqual([3, expect.stringContaining("nobody announced this secret")]);
    expect((await rotation(second)).phase).toBe("announced");
  });

  test("holds both on each node that takes it, which survives a kill", async () => {
    for (const node of nodes.slice(1)) await rotateSecret(node, "--accept", "--secret-file", file);
    await untilAllHaveIt(members);
    const { peers } = await rotation(first);
    expect(peers.find(({ pubkey }) => pubkey === inStolen.status.pubkey)?.has).toBe(false);
    expect(await answers(stolen, members[1]?.status.mesh_ip ?? "")).toBe(true);
    const added = await Promise.all(members.map((member) => newAddress(member.node, member.status)));
    for (const [index, node] of nodes.entries()) {
      await node.pingUntilAnswered(added[(index + 1) % nodes.length] ?? "", allowanceMs(2_000));
    }
    pings.push(...ring(nodes, added));
  });

  test("loses no ping when it is completed, and whoever lacks the new secret is out", async () => {
    for (const node of nodes) await rotateSecret(node, "--complete");
    for (const { node, status: before } of members) {
      const now = await status(node);
      expect(now.mesh_ip).not.toBe(before.mesh_ip);
      expect(now.pubkey).toBe(before.pubkey);
    }
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const counts = await Promise.all(pings.map((ping) => ping.finish()));
    for (const { sent, lost } of counts) {
      expect(sent).toBeGreaterThan(100);
      expect(lost).toEqual([]);
    }
    for (const { node, status: own } of members) {
      expect(await answers(stolen, own.mesh_ip)).toBe(false);
      expect((await node.wgPeers())?.map(({ publicKey }) => publicKey)).not.toContain(inStolen.status.pubkey);
    }
  });

  test("stays moved when a node is killed and started with the old secret, and says so", async () => {
    await second.kill9();
    await second.startAndWait();
    const moved = await Promise.all(nodes.map(async (node) => ({ node, status: await status(node) })));
    await pingAllPairs(moved, 5_000);
    expect((await status(second)).warnings).toContainEqual(
      expect.stringContaining("this node is started with the old one"),
    );
    // Nobody who is out is remembered, so nobody who is out is greeted by a node that starts again.
    const keys = members.map((member) => member.status.pubkey).sort();
    for (const { node } of members) {
      const { peers } = JSON.parse(
        readFileSync(path.join(node.stateDir, `${node.iface}-peers.json`), "utf8"),
      ) as { peers: { wg_pubkey: string }[] };
      const known = peers.map((peer) => peer.wg_pubkey);
      expect(keys).toEqual(expect.arrayContaining(known));
      expect(known).toHaveLength(keys.length - 1);
    }
    const all = await second.rpc<{ peers: { pubkey: string }[] }>("peers.list", { all: true });
    expect(all.peers.map(({ pubkey }) => pubkey)).not.toContain(inStolen.status.pubkey);
  });

  test("takes in a node that was away all the while and is given the secret later", async () => {
    absent.start("--secret-file", file);
    const late = { node: absent, status: await absent.untilRunning() };
    const moved = await Promise.all(nodes.map(async (node) => ({ node, status: await status(node) })));
    await pingAllPairs([...moved, late], 5_000);
    expect((await status(absent)).warnings.filter((warning) => warning.includes("new secret"))).toEqual([]);
  });
});

describe("a network behind a node that moved and was restarted, which is an exit node too", () => {
  const lab = useLab();
  const advertiser = lab.addNode("advertiser", {
    flags: ["--advertise-routes", "192.168.77.0/24,fd77::/64", "--advertise-exit-node", ...calm],
  });
  const users = ["first", "second"].map((name) => lab.addNode(name, { flags: calm })) as [MeshNode, MeshNode];
  const nodes = [advertiser, ...users];
  const behind = ["192.168.77.1", "fd77::1"];
  /** As if they were of the Internet. */
  const far = ["198.51.100.7", "2001:db8:7::7"];
  const reach = async (limitMs: number): Promise<void> => {
    for (const address of behind) await users[0].pingUntilAnswered(address, limitMs);
    for (const address of [...behind, ...far]) await users[1].pingUntilAnswered(address, limitMs);
  };

  test("is reached by nodes that were not, from their new addresses", async () => {
    for (const command of [
      "link add lan0 up type bridge",
      "address add 192.168.77.1/24 dev lan0",
      "address add fd77::1/64 dev lan0 nodad",
      ...far.map((address) => `address add ${address} dev lan0${address.includes(":") ? " nodad" : ""}`),
    ]) {
      expect((await advertiser.exec(["ip", ...command.split(" ")])).code).toBe(0);
    }
    const members = await formMesh(nodes);
    const key = members[0]?.status.pubkey ?? "";
    expect((await users[1].client("config", "set", "exit-node", key.slice(0, 10))).code).toBe(0);
    await reach(allowanceMs(2_000));
    const file = path.join(lab.folder, "next.secret");
    await rotateSecret(advertiser, "--output", file);
    for (const user of users) {
      await untilPhase(user, "announced");
      await rotateSecret(user, "--accept", "--secret-file", file);
    }
    await untilAllHaveIt(members);
    for (const node of nodes) await rotateSecret(node, "--complete");
    await advertiser.stop();
    advertiser.start("--secret-file", file);
    await advertiser.untilRunning();
    await reach(allowanceMs(10_000));
    for (const user of users) {
      const { mesh_ip, mesh_ipv6 } = await status(user);
      for (const [family, source] of [
        ["-4", mesh_ip],
        ["-6", mesh_ipv6],
      ]) {
        const { stdout } = await user.exec(`ip ${family} route show table all proto 111`.split(" "));
        const routes = stdout.trim().split("\n");
        expect(routes).toHaveLength(user === users[1] ? 2 : 1);
        for (const route of routes) expect(`${route} `).toContain(` src ${source} `);
      }
    }
  });
});

describe("a move that is aborted", () => {
  const lab = useLab();
  const [first, second] = ["first", "second"].map((name) => lab.addNode(name, { flags: calm })) as [
    MeshNode,
    MeshNode,
  ];
  const file = path.join(lab.folder, "next.secret");

  test("goes back on all nodes, without a ping lost, and is not taken up again", async () => {
    const members = await formMesh([first, second]);
    const ping = new SteadyPing(first, members[1]?.status.mesh_ip ?? "", 20);
    await rotateSecret(first, "--output", file);
    await untilPhase(second, "announced");
    await rotateSecret(second, "--accept", "--secret-file", file);
    await untilAllHaveIt(members);
    await second.kill9();
    await second.startAndWait();
    expect((await rotation(second)).phase).toBe("accepted");
    await untilAllHaveIt(members);
    await first.pingUntilAnswered(members[1]?.status.mesh_ip ?? "", allowanceMs(5_000));
    const after = new SteadyPing(first, members[1]?.status.mesh_ip ?? "", 20);
    await rotateSecret(first, "--abort");
    await untilPhase(second, "idle");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect((await after.finish()).lost).toEqual([]);
    await ping.finish();
    const { code } = await second.client("rotate-secret", "--accept", "--secret-file", file);
    expect(code).toBe(3);
    for (const { node, status: before } of members) {
      const { stdout } = await node.exec(["ip", "-4", "-o", "address", "show", "dev", node.iface]);
      expect(stdout.match(/inet /g)).toHaveLength(1);
      expect((await status(node)).mesh_ip).toBe(before.mesh_ip);
    }
  });
});
