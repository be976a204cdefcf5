/**
 * What happens to hosts and networks while daemons run, without NAT: the pings come back by themselves, without a restart. Outages
 * are short here; WGMESH_OUTAGE_SECONDS makes each as long as in life (600 for ten minutes).
 */
import { afterEach, describe, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { MeshNode } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const outageMs = Number(process.env.WGMESH_OUTAGE_SECONDS ?? 12) * 1000;
const PROMISED_MS = 5_000;
const PROMISED_JOIN_MS = 15_000;

const inside = (node: MeshNode, ...command: string[]): string =>
  must(["ip", "netns", "exec", node.host.namespace, ...command]);

function dropAtInput(node: MeshNode, table: string, match: string): void {
  const chain = `type filter hook input priority -300; ${match} drop;`;
  const rules = `table inet ${table} {\n chain input {\n ${chain}\n }\n}\n`;
  must(["ip", "netns", "exec", node.host.namespace, "nft", "-f", "-"], rules);
}

let pids: Map<MeshNode, number>;

async function started(nodes: readonly MeshNode[]): Promise<Member[]> {
  const members = await formMesh(nodes);
  pids = new Map(nodes.map((node) => [node, node.pid]));
  return members;
}

afterEach(() => {
  // Nobody was restarted, nobody crashed.
  for (const [node, pid] of pids ?? []) {
    expect(node.pid).toBe(pid);
    expect(() => process.kill(pid, 0)).not.toThrow();
  }
});

/** Every ordered pair of the members pings until answered; the time of the slowest. */
async function untilAllAnswer(members: readonly Member[], promisedMs: number, what: string): Promise<void> {
  const start = nowMs();
  const pairs = members.flatMap((from) => members.filter((to) => to !== from).map((to) => ({ from, to })));
  await Promise.all(
    pairs.map(({ from, to }) => from.node.pingUntilAnswered(to.status.mesh_ip, allowanceMs(promisedMs))),
  );
  console.log(
    `${what}: all pings answered ${Math.round(nowMs() - start)} ms after (promised ${promisedMs} ms)`,
  );
}

async function answers(from: Member, to: Member): Promise<boolean> {
  return (await from.node.exec(["ping", "-n", "-q", "-c", "1", "-W", "1", to.status.mesh_ip])).code === 0;
}

describe("a host on a LAN", () => {
  const lab = useLab();
  const stays = lab.addNode("stays");
  const moves = lab.addNode("moves");
  let members: Member[];

  test("whose address changes is reached at the new one", async () => {
    members = await started([stays, moves]);
    for (const address of ["192.0.2.77/24", "192.0.2.78/24"]) {
      inside(moves, "ip", "address", "flush", "dev", "eth0", "scope", "global");
      inside(moves, "ip", "address", "add", address, "dev", "eth0");
      // Before a packet of the tunnel tells.
      await until("it is known where the peer is now", allowanceMs(500), async () =>
        (await stays.wgPeers())?.[0]?.endpoint.startsWith(`${address.split("/")[0]}:`),
      );
      await untilAllAnswer(members, PROMISED_MS, `new address ${address}`);
    }
  });

  test("that is stopped for a while, as by a sleep, is back", async () => {
    moves.signal("SIGSTOP");
    await delay(Math.min(outageMs, 10_000));
    moves.signal("SIGCONT");
    await untilAllAnswer(members, PROMISED_MS, "stopped and continued");
  });

  test("that loses 30 % of its packets keeps its tunnel, and all of it when the loss ends", async () => {
    dropAtInput(moves, "loss", 'iifname "eth0" numgen random mod 100 < 30');
    const ping = new SteadyPing(stays, (members[1] as Member).status.mesh_ip, 50);
    await delay(Math.max(outageMs, 10_000));
    const { lost, sent } = await ping.finish();
    console.log(`with 30 % loss one way ${lost.length} of ${sent} pings were lost`);
    expect(sent).toBeGreaterThan(50);
    expect(lost.length).toBeGreaterThan(0);
    // The packets lost, and no more than a handshake's worth beside them.
    expect(lost.length / sent).toBeLessThan(0.5);
    inside(moves, "nft", "delete", "table", "inet", "loss");
    await untilAllAnswer(members, PROMISED_MS, "loss ended");
  });
});

describe("hosts of two networks", () => {
  const lab = useLab();
  const router = lab.addHost("router");
  const nearHost = lab.addHost("near");
  const farHost = lab.addHost("far");
  const near = lab.addNode("near", {}, nearHost);
  const far = lab.addNode("far", { flags: ["--peer", nearHost.address] }, farHost);

  test("one of which loses its default route for a while", async () => {
    const at = (namespace: string, ...command: string[]) =>
      must(["ip", "netns", "exec", namespace, ...command]);
    at(router.namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    at(router.namespace, "ip", "address", "add", "198.51.100.1/24", "dev", "eth0");
    at(farHost.namespace, "ip", "address", "flush", "dev", "eth0", "scope", "global");
    at(farHost.namespace, "ip", "address", "add", "198.51.100.2/24", "dev", "eth0");
    at(nearHost.namespace, "ip", "route", "add", "default", "via", router.address);
    const route = ["ip", "route", "replace", "default", "via", "198.51.100.1"];
    at(farHost.namespace, ...route);
    const members = await started([near, far]);

    at(farHost.namespace, "ip", "route", "delete", "default");
    await delay(outageMs);
    expect(await answers(members[0] as Member, members[1] as Member)).toBe(false);
    at(farHost.namespace, ...route);
    await untilAllAnswer(members, PROMISED_MS, `no default route for ${outageMs / 1000} s`);
  });
});

describe("two halves of a mesh", () => {
  const lab = useLab();
  const nodes = ["a1", "a2", "b1", "b2"].map((name) => lab.addNode(name));

  test("parted and joined again find each other", async () => {
    const members = await started(nodes);
    const [a1, a2, b1, b2] = members as [Member, Member, Member, Member];
    const isA = ({ node }: Member): boolean => node === a1.node || node === a2.node;
    // Each half drops what comes from the other, whatever it is.
    for (const member of members) {
      const others = members
        .filter((other) => isA(other) !== isA(member))
        .map(({ node }) => node.host.address);
      dropAtInput(member.node, "parted", `iifname "eth0" ip saddr { ${others.join(", ")} }`);
    }
    await delay(outageMs);
    expect(await answers(a1, b1)).toBe(false);
    expect(await answers(a1, a2)).toBe(true);
    expect(await answers(b2, b1)).toBe(true);
    for (const { node } of members) inside(node, "nft", "delete", "table", "inet", "parted");
    await untilAllAnswer(members, PROMISED_JOIN_MS, `parted for ${outageMs / 1000} s`);
  });
});
