import { beforeAll, describe, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { MeshNode, PeerJson, StatusJson } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const SECOND = "192.0.2.101";
const SIX = "2001:db8:5::1";

describe("with --listen-address on a host with two addresses", () => {
  const lab = useLab();
  const flags = ["--dht-bootstrap", "192.0.2.250:6881", "--stun-server", "192.0.2.251"];
  const one = lab.addNode("one", { flags: [...flags, "--listen-address", SECOND], backend: "embedded" });
  const both = lab.addNode("both", { flags: [...flags, "--peer", SECOND], backend: "embedded" });
  const six = lab.addNode("six", {
    flags: [...flags, "--listen-address", `192.0.2.3,${SIX}`],
    backend: "wireguard-go",
  });
  const address = (node: MeshNode, what: string, cidr: string): string =>
    must(["ip", "-n", node.host.namespace, "address", what, cidr, "dev", "eth0", "nodad"]);
  let members: Member[] = [];

  /** Local addresses of the UDP sockets there are, without those of one host or one group alone. */
  async function bound(node: MeshNode): Promise<string[]> {
    const { stdout } = await node.exec(["ss", "-Huln"]);
    const places = stdout.split("\n").flatMap((line) => line.trim().split(/\s+/)[3] ?? []);
    const hosts = places.map((place) => place.slice(0, place.lastIndexOf(":")).replace(/^\[|\]$|%.*$/g, ""));
    return [...new Set(hosts)].filter((host) => !/^(?:127\.|239\.|$)/.test(host)).sort();
  }

  const warnings = async (node: MeshNode): Promise<string> =>
    (await node.rpc<StatusJson>("daemon.status")).warnings.join("\n");

  beforeAll(async () => {
    address(one, "add", `${SECOND}/24`);
    address(six, "add", `${SIX}/64`);
    members = await formMesh([one, both, six]);
  });

  test("sockets have that address alone, and those of the mesh", async () => {
    const [{ status }, , { status: sixStatus }] = members as [Member, Member, Member];
    expect(await bound(one)).toEqual([SECOND, status.mesh_ip, status.mesh_ipv6].sort());
    const expected = ["*", "0.0.0.0", "::", "192.0.2.3", SIX, sixStatus.mesh_ip, sixStatus.mesh_ipv6];
    // wireguard-go's own two are on all addresses.
    for (const place of await bound(six)) expect(expected).toContain(place);
    expect(await bound(six)).toEqual(expect.arrayContaining(["192.0.2.3", SIX]));
  });

  test("others are told that address alone", async () => {
    const { peers } = await both.rpc<{ peers: (PeerJson & { endpoint: string })[] }>("peers.list");
    const seen = peers.find(({ pubkey }) => pubkey === members[0]?.status.pubkey);
    expect(seen?.endpoint).toBe(`${SECOND}:${members[0]?.status.listen_port}`);
    for (const { node } of members) {
      expect((await node.rpc<{ peers: unknown[] }>("peers.list")).peers).toHaveLength(2);
    }
  });

  test("a WireGuard that cannot be bound is said, with what helps", async () => {
    expect(await warnings(six)).toMatch(/WireGuard's port \d+ is open on every address.*--backend embedded/);
    expect(await warnings(one)).not.toContain("every address");
  });

  test("an address that goes away is said, and works again when it is back", async () => {
    address(one, "del", `${SECOND}/24`);
    await until("status says so", allowanceMs(3_000), async () =>
      (await warnings(one)).includes(`no more the listen address ${SECOND}`),
    );
    address(one, "add", `${SECOND}/24`);
    await until(
      "status is calm",
      allowanceMs(3_000),
      async () => !(await warnings(one)).includes("no more the listen address"),
    );
    await one.pingUntilAnswered(members[1]?.status.mesh_ip ?? "", allowanceMs(5_000));
  });

  test("one that is not there is an error that names those there are", async () => {
    const other = lab.addNode("other", { flags: ["--listen-address", "192.0.2.99"] });
    other.start();
    expect((await other.exit()).code).toBe(8);
    const said = other.logTail(5);
    expect(said).toContain("this machine has not the listen address 192.0.2.99");
    expect(said).toContain(`use one it has: ${other.host.address}`);
  });
});
