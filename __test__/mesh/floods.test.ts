/** A member that invents 100,000 others: honest nodes keep all they have, stay quick and small, and newcomers get in. */
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must, run } from "./harness/exec.ts";
import type { MeshNode, PeerJson, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, isEmulated, median, nowMs, timed, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const script = path.join(import.meta.dirname, "hostile/inventor.py");
/** Behind the second node; the inventor claims it, too. */
const network = "10.50.0.0/24";
/** An emulated machine gets a twentieth of it: the store is full by then, too. */
const share = isEmulated ? 20 : 1;
const announced = 20_000 / share;
const mentioned = 80_000 / share;
const spoofed = 2_000 / share;
/** A node with a full store of 1,000 peers, each with the WireGuard session that it asks for, and what the heap swings. */
const GROWTH_BYTES = 160 << 20;
const STATUS_PROMISED_MS = 1_000;

const lab = useLab();
const target = lab.addNode("target");
const router = lab.addNode("router", { flags: ["--advertise-routes", network] });
const third = lab.addNode("third");
const inventor = lab.addHost("inventor");
const joining = { flags: ["--no-lan-discovery", "--peer", target.host.address] };

let members: Member[];
let before: string;
let pids: readonly number[];

/** What honest nodes hold of each other. */
async function held(): Promise<string> {
  const all = await Promise.all(members.map(({ node }) => heldBy(node)));
  return JSON.stringify(all, null, 1);
}

async function heldBy(node: MeshNode): Promise<unknown> {
  const keys = members.map(({ status }) => status.pubkey);
  const { peers } = await node.rpc<{ peers: (PeerJson & { routable_networks?: string[] })[] }>("peers.list");
  const rows = (await node.wgPeers()) ?? [];
  const routes = (await node.exec(["ip", "route", "show", "table", "all", "dev", node.iface])).stdout;
  return {
    node: node.name,
    peers: peers
      .filter(({ pubkey }) => keys.includes(pubkey))
      .map(({ pubkey, mesh_ip, mesh_ipv6, endpoint, state, routable_networks = [] }) =>
        [pubkey, mesh_ip, mesh_ipv6, endpoint, state, ...routable_networks].join(" "),
      )
      .sort(),
    interface: rows
      .filter(({ publicKey }) => keys.includes(publicKey))
      .map(({ publicKey, endpoint, allowedIps }) =>
        [publicKey, endpoint, ...[...allowedIps].sort()].join(" "),
      )
      .sort(),
    routes: routes.trim().split("\n").sort(),
  };
}

function invent(what: string, count: number, ...rest: string[]): Promise<void> {
  const { status } = members[0] as Member;
  const args = [lab.secretFile, target.host.address, status.pubkey, what, String(count), ...rest];
  const command = ["ip", "netns", "exec", inventor.namespace, "/usr/bin/python3", "-B", script, ...args];
  return run(command, { limitMs: allowanceMs(12_000) }).then((outcome) =>
    expect(outcome).toMatchObject({ code: 0, stdout: `${count}\n` }),
  );
}

/** Runs a flood beside pings that must all be answered, and asks for the status all the while. */
async function unharmed(what: string, flood: () => Promise<void>): Promise<void> {
  const pings = members.flatMap((from) =>
    members.filter((to) => to !== from).map((to) => new SteadyPing(from.node, to.status.mesh_ip, 20)),
  );
  const answersMs: number[] = [];
  let mostBytes = 0;
  const first = await target.rpc<StatusJson>("daemon.status");
  const start = nowMs();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const { ms, value } = await timed(() => target.rpc<StatusJson>("daemon.status").catch(() => null));
      answersMs.push(ms);
      mostBytes = Math.max(mostBytes, value?.memory_bytes ?? 0);
      await delay(100);
    }
  })();
  await flood();
  isOver = true;
  await watching;
  const counts = await Promise.all(pings.map((ping) => ping.finish()));
  const after = await target.rpc<StatusJson>("daemon.status");
  const changed = Object.entries(after.counters)
    .map(([name, value]) => [name, value - (first.counters[name] ?? 0)] as const)
    .filter(([, value]) => value > 0);
  console.log(
    [
      `${what}: ${Math.round(nowMs() - start)} ms, ${after.peers.total} peers known`,
      `status after ${Math.round(median(answersMs))} ms, at most ${Math.round(Math.max(...answersMs))} ms, memory ${first.memory_bytes >> 20} to ${mostBytes >> 20} MiB`,
      changed.map(([name, value]) => `${name} +${value}`).join(", "),
    ].join("; "),
  );
  expect(counts.map(({ lost }) => lost)).toEqual(counts.map(() => []));
  for (const { sent } of counts) expect(sent).toBeGreaterThan(20);
  expect(median(answersMs)).toBeLessThan(STATUS_PROMISED_MS * (isEmulated ? 10 : 1));
  expect(Math.max(...answersMs)).toBeLessThan(allowanceMs(STATUS_PROMISED_MS));
  expect(mostBytes - first.memory_bytes).toBeLessThan(GROWTH_BYTES);
  expect(after.peers.total).toBeLessThanOrEqual(1000);
  expect(await held()).toBe(before);
}

/** A node that knows of the target only is known to all, and reaches them. */
async function join(node: MeshNode): Promise<void> {
  const status = await node.startAndWait();
  const start = nowMs();
  for (const member of members) {
    await member.node.pingUntilAnswered(status.mesh_ip, allowanceMs(2_000));
    await node.pingUntilAnswered(member.status.mesh_ip, allowanceMs(2_000));
  }
  console.log(`${node.name} and all others reached each other after ${Math.round(nowMs() - start)} ms`);
}

beforeAll(async () => {
  must(["ip", "-n", inventor.namespace, "route", "add", "local", "198.18.0.0/16", "dev", "lo"]);
  for (const { host } of [target, router, third]) {
    must(["ip", "-n", host.namespace, "route", "add", "198.18.0.0/16", "via", inventor.address]);
  }
  members = await formMesh([target, router, third]);
  await until("the route is there", allowanceMs(1_000), async () => (await held()).includes(`${network} `));
  before = await held();
  pids = members.map(({ status }) => status.pid);
});

afterAll(async () => {
  const now = await Promise.all(members.map(({ node }) => node.rpc<StatusJson>("daemon.status")));
  expect(now.map(({ pid }) => pid)).toEqual(pids);
});

test("80,000 mentions of invented peers", async () => {
  await unharmed("mentions", () => invent("mentions", mentioned, "198.18.9.1", router.host.address));
});

test("20,000 invented members that greet, and a newcomer in the midst of it", async () => {
  const newcomer = lab.addNode("newcomer", joining);
  await unharmed("members", async () => {
    const flood = invent("members", announced, "198.18.9.1", "198.18.9.2", router.host.address);
    await delay(5_000);
    // Whatever comes of it, the flood must not go on beside the next test.
    try {
      await join(newcomer);
    } finally {
      await flood;
    }
  });
  await newcomer.stop();
});

test("goodbyes in others' names", async () => {
  await unharmed("farewells", () =>
    invent("farewells", spoofed, ...members.slice(1).map(({ status }) => status.pubkey)),
  );
});

test("orders to punch, offers and requests to relay in others' names", async () => {
  await unharmed("orders", () =>
    invent("orders", spoofed, ...members.slice(1).map(({ status }) => status.pubkey)),
  );
});

test("afterwards a newcomer joins as ever", async () => {
  await join(lab.addNode("late", joining));
  expect(await held()).toBe(before);
});
