import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { MeshSecret } from "@wgmesh/native";
import { describe, expect, test } from "vitest";
import { type Cidr, type PublicKey, parseCidr } from "../../src/core/types.ts";
import { meshAddresses } from "../../src/identity/derivation.ts";
import type { AddressDerivation } from "../../src/peers/addresses.ts";
import { type KeyPair, newKeyPair } from "../wireguard/harness/keys.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { type Member, pingAllPairs, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Makes keys until `count` of them derive one address in the mesh's network; the lowest first. */
function clashingKeys(
  secretFile: string,
  subnet: Cidr | null,
  count: number,
): { keys: KeyPair[]; address: string } {
  const addresses = meshAddresses(MeshSecret.fromFile(secretFile), subnet);
  const found = new Map<string, KeyPair[]>();
  for (;;) {
    const keys = newKeyPair();
    const address = addresses.meshIpv4(keys.publicKey as PublicKey, 0);
    const all = [...(found.get(address) ?? []), keys];
    found.set(address, all);
    if (all.length === count)
      return { keys: all.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1)), address };
  }
}

/** KeyPair whose address is none of those. */
function keysBeside(taken: ReadonlySet<string>, derivation: AddressDerivation): KeyPair {
  for (;;) {
    const keys = newKeyPair();
    if (!taken.has(derivation.meshIpv4(keys.publicKey as PublicKey, 0))) return keys;
  }
}

function giveKeys(node: MeshNode, { publicKey, privateKey }: KeyPair): void {
  mkdirSync(node.stateDir, { mode: 0o700, recursive: true });
  const state = { wg_pubkey: publicKey, wg_private_key: privateKey };
  writeFileSync(path.join(node.stateDir, "wg0.json"), JSON.stringify(state, null, 2), { mode: 0o600 });
}

const addressOnDisk = (node: MeshNode): string =>
  (JSON.parse(readFileSync(path.join(node.stateDir, "wg0.json"), "utf8")) as { mesh_ip: string }).mesh_ip;

async function addressOnInterface(node: MeshNode): Promise<string[]> {
  const { stdout } = await node.exec(["ip", "-4", "-o", "address", "show", "dev", node.iface]);
  return [...stdout.matchAll(/inet ([\d.]+)\//g)].map(([, address = ""]) => address);
}

const statusOf = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");

/** Waits until all addresses differ and every node has every other's right one; the members then. */
function settled(nodes: readonly MeshNode[], promisedMs = 2_000): Promise<Member[]> {
  return until("all agree on the addresses", allowanceMs(promisedMs), async () => {
    const members = await Promise.all(nodes.map(async (node) => ({ node, status: await statusOf(node) })));
    if (new Set(members.map(({ status }) => status.mesh_ip)).size < nodes.length) return false;
    for (const { node } of members) {
      const { peers } = await node.rpc<{ peers: { pubkey: string; mesh_ip: string }[] }>("peers.list");
      for (const { node: other, status } of members) {
        if (other === node) continue;
        if (peers.find(({ pubkey }) => pubkey === status.pubkey)?.mesh_ip !== status.mesh_ip) return false;
      }
    }
    return members;
  });
}

describe("two nodes whose keys derive one address of the mesh's own network", () => {
  const lab = useLab();
  const { keys, address } = clashingKeys(lab.secretFile, null, 2);
  const lower = lab.addNode("lower");
  const higher = lab.addNode("higher");
  giveKeys(lower, keys[0] as KeyPair);
  giveKeys(higher, keys[1] as KeyPair);
  const second = meshAddresses(MeshSecret.fromFile(lab.secretFile), null).meshIpv4(
    keys[1]?.publicKey as PublicKey,
    1,
  );

  test("the lower key keeps it, the other takes its second one, and they reach each other", async () => {
    for (const node of [lower, higher]) await node.startAndWait();
    const members = await settled([lower, higher]);
    expect(members.map(({ status }) => status.mesh_ip)).toEqual([address, second]);
    await pingAllPairs(members, 2_000);
    expect(await addressOnInterface(higher)).toEqual([second]);
    expect(addressOnDisk(higher)).toBe(second);
  });

  test("the one that moved says so: a warning, an event, its health port at the new address", async () => {
    const { warnings } = await statusOf(higher);
    expect(warnings).toContainEqual(expect.stringContaining(`moved from ${address} to ${second}`));
    expect((await statusOf(lower)).warnings).toEqual([]);
    const { events } = await higher.rpc<{ events: { type: string; data: object }[] }>("events.list");
    expect(events).toContainEqual(
      expect.objectContaining({ type: "address.moved", data: { from: address, to: second } }),
    );
    const pinged = await lower.client("ping", second, "--count", "1");
    expect(pinged).toMatchObject({ code: 0 });
  });

  test("a restart keeps the outcome, in order or not", async () => {
    await higher.stop();
    await lower.kill9();
    for (const node of [higher, lower]) await node.startAndWait();
    const members = await settled([lower, higher]);
    expect(members.map(({ status }) => status.mesh_ip)).toEqual([address, second]);
    await pingAllPairs(members, 2_000);
    expect((await statusOf(higher)).warnings).toEqual([]);
  });
});

describe("five nodes in a network of fourteen addresses, three of them with one", () => {
  const lab = useLab();
  const subnet = parseCidr("10.99.7.0/28");
  const flags = ["--mesh-subnet", "10.99.7.0/28"];
  const { keys, address } = clashingKeys(lab.secretFile, subnet, 3);
  const [thirdA, thirdB, low, middle, high] = ["third-a", "third-b", "low", "middle", "high"].map((name) =>
    lab.addNode(name, { flags }),
  ) as [MeshNode, MeshNode, MeshNode, MeshNode, MeshNode];
  for (const [index, node] of [low, middle, high].entries()) giveKeys(node, keys[index] as KeyPair);
  const derivation = meshAddresses(MeshSecret.fromFile(lab.secretFile), subnet);
  // Third parties that have nothing to do with it.
  const taken = new Set([address]);
  for (const node of [thirdA, thirdB]) {
    const own = keysBeside(taken, derivation);
    taken.add(derivation.meshIpv4(own.publicKey as PublicKey, 0));
    giveKeys(node, own);
  }

  test("two that start together: one keeps it, and a ping between third parties loses nothing", async () => {
    for (const node of [thirdA, thirdB]) node.start();
    const [, target] = await Promise.all([thirdA.untilRunning(), thirdB.untilRunning()]);
    await thirdA.pingUntilAnswered(target.mesh_ip, allowanceMs(2_000));
    const ping = new SteadyPing(thirdA, target.mesh_ip, 10);
    for (const node of [high, middle]) node.start();
    await Promise.all([high.untilRunning(), middle.untilRunning()]);
    const members = await settled([thirdA, thirdB, middle, high]);
    await pingAllPairs(members, 3_000);
    expect(await ping.finish()).toMatchObject({ lost: [] });
    expect((await statusOf(middle)).mesh_ip).toBe(address);
  });

  test("a still lower key that comes when the owner has settled takes nothing from it, nor a ping to it", async () => {
    await delay(11_000);
    const pings = [
      new SteadyPing(thirdA, address, 10),
      new SteadyPing(thirdB, (await statusOf(high)).mesh_ip, 10),
    ];
    await low.startAndWait();
    const members = await settled([thirdA, thirdB, low, middle, high]);
    await pingAllPairs(members, 3_000);
    for (const ping of pings) expect(await ping.finish()).toMatchObject({ lost: [] });
    expect((await statusOf(middle)).mesh_ip).toBe(address);
  });

  test("all killed and started again have the addresses they had", async () => {
    const nodes = [thirdA, thirdB, low, middle, high];
    const before = await Promise.all(nodes.map(async (node) => (await statusOf(node)).mesh_ip));
    await Promise.all(nodes.map((node) => node.kill9()));
    for (const node of nodes) node.start();
    await Promise.all(nodes.map((node) => node.untilRunning()));
    const members = await settled(nodes, 4_000);
    expect(members.map(({ status }) => status.mesh_ip)).toEqual(before);
    await pingAllPairs(members, 3_000);
  });
});
