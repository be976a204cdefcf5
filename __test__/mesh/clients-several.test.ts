/** Clients of one gateway and of another, and what they reach through both: networks, each other, the Internet (docs/clients.md). */
import { beforeAll, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { quick } from "./harness/plainClient.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

interface Added {
  readonly client: { readonly ip: string; readonly ipv6: string };
  readonly configuration: string;
}

const lab = useLab();
const first = lab.addNode("first");
/** Has a network behind it, and a line of its own to the Internet. */
const second = lab.addNode("second");
/** None runs wgmesh: the first two are clients of one gateway, the third of the other. */
const [phone, laptop, tablet] = [lab.addNode("phone"), lab.addNode("laptop"), lab.addNode("tablet")];
const internet = lab.addNamespace("internet");
const behind = ["192.168.77.1", "fd77::1"];
/** A host of the Internet, which knows no way to any address of the mesh. */
const far = ["198.51.100.7", "2001:db8:7::7"];
const added = new Map<MeshNode, Added>();
let members: [Member, Member];

const of = (device: MeshNode): Added => added.get(device) as Added;

async function addTo(gateway: MeshNode, device: MeshNode, ...words: string[]): Promise<void> {
  added.set(device, await gateway.clientJson<Added>("client", "add", device.name, ...words));
  await quick(device, of(device).configuration);
}

/** The device gets the configuration as it would be made now, and keeps its private key. */
async function renew(gateway: MeshNode, device: MeshNode, ...words: string[]): Promise<void> {
  const shown = await gateway.clientJson<Added>("client", "show", device.name, ...words);
  const key = /^PrivateKey = .*$/m.exec(of(device).configuration)?.[0] ?? "";
  await quick(device, shown.configuration.replace(/^# PrivateKey = .*$/m, key));
}

async function reaches(device: MeshNode, addresses: readonly string[]): Promise<void> {
  await Promise.all(addresses.map((address) => device.pingUntilAnswered(address, allowanceMs(2_000))));
}

const set = async (node: MeshNode, key: string, value: string): Promise<void> =>
  expect(await node.client("config", "set", key, value)).toMatchObject({ code: 0, stderr: "" });

beforeAll(async () => {
  const { namespace } = second.host;
  for (const command of [
    `-n ${namespace} link add lan0 up type bridge`,
    `-n ${namespace} address add 192.168.77.1/24 dev lan0`,
    `-n ${namespace} address add fd77::1/64 dev lan0 nodad`,
    `-n ${namespace} link add wan0 up type veth peer name wan0 netns ${internet}`,
    `-n ${namespace} address add 203.0.113.1/24 dev wan0`,
    `-n ${namespace} address add 2001:db8:1::1/64 dev wan0 nodad`,
    `-n ${internet} link set wan0 up`,
    `-n ${internet} address add 203.0.113.2/24 dev wan0`,
    `-n ${internet} address add 2001:db8:1::2/64 dev wan0 nodad`,
    ...far.map((address) => `-n ${internet} address add ${address} dev lo`),
    `-n ${namespace} route add default via 203.0.113.2`,
    `-n ${namespace} -6 route add default via 2001:db8:1::2`,
  ])
    must(["ip", ...command.split(" ")]);
  members = (await formMesh([first, second])) as [Member, Member];
  await set(second, "advertise-routes", "192.168.77.0/24,fd77::/64");
});

test("clients of one gateway reach each other, and what is behind another gateway, its clients included", async () => {
  await addTo(second, tablet);
  await until("the first gateway knows of the second's networks", allowanceMs(2_000), async () => {
    const { stdout } = await first.exec("ip -4 route show proto 111".split(" "));
    return stdout.trim().split("\n").length === 2;
  });
  await addTo(first, phone);
  await addTo(first, laptop);
  await reaches(phone, [of(laptop).client.ip, of(laptop).client.ipv6]);
  await reaches(laptop, [of(phone).client.ip, of(phone).client.ipv6]);
  const { mesh_ip, mesh_ipv6 } = members[1].status;
  await reaches(phone, [mesh_ip, mesh_ipv6, ...behind]);
  // Its configuration was made when the first gateway had no clients yet.
  await renew(second, tablet);
  await reaches(tablet, [of(phone).client.ip, of(laptop).client.ipv6]);
  await reaches(laptop, [of(tablet).client.ip, of(tablet).client.ipv6]);
});

test("a client sends everything through a gateway that is an exit node, and through no other", async () => {
  const refused = await second.client("client", "show", "tablet", "--all-traffic");
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("not forward to the Internet") });
  expect(refused.stderr).toContain("hint: let it forward: wgmesh config set advertise-exit-node true");
  await set(second, "advertise-exit-node", "true");
  await renew(second, tablet, "--all-traffic");
  await reaches(tablet, [...far, ...behind, members[0].status.mesh_ip, of(phone).client.ip]);
});

test("a client sends everything through a gateway that itself uses an exit node", async () => {
  await set(first, "exit-node", members[1].status.pubkey);
  await until("the way is used", allowanceMs(2_000), async () => {
    const { exit_node } = await first.rpc<StatusJson & { exit_node: { state: string } }>("daemon.status");
    return exit_node.state === "active";
  });
  await renew(first, phone, "--all-traffic");
  await reaches(phone, [...far, ...behind, of(laptop).client.ip, of(tablet).client.ip]);
});
