/** What a member that turned against the others may try, on real daemons: no crash, no lost ping, nobody flooded, all counted. */
import path from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { must, run } from "./harness/exec.ts";
import type { Host } from "./harness/lab.ts";
import type { PeerJson, StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, isEmulated, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const victim = lab.addNode("victim");
const friend = lab.addNode("friend");
const liar = lab.addHost("liar");
const bystander = lab.addHost("bystander");
const script = path.join(import.meta.dirname, "hostile/attacks.py");

/** An emulated machine takes a minute to make so many, and to restart a node. */
const CONTACTS = isEmulated ? 2_000 : 10_000;
const RECORDED_SECONDS = isEmulated ? 60 : 8;

let members: Member[];
let before: PeerJson;
let pid: number;
/** How many peers have left, truly. */
let left = 0;

const at = (host: Host, ...command: string[]): string[] => [
  "ip",
  "netns",
  "exec",
  host.namespace,
  ...command,
];
/** A machine that is busy with the attack may need more than one call's time. */
const ask = <T>(method: string, params = {}): Promise<T> =>
  until(`an answer to ${method}`, allowanceMs(6_000), () =>
    victim.rpc<T>(method, params).catch(() => null),
  ) as Promise<T>;
const status = (): Promise<StatusJson> => ask<StatusJson>("daemon.status");
const keyOf = (index: number): string => (members[index] as Member).status.pubkey;
const friendAtVictim = (): Promise<PeerJson> => ask<PeerJson>("peers.get", { pubkey: keyOf(1) });

async function attack(from: Host, ...args: string[]): Promise<number> {
  const command = at(from, "/usr/bin/python3", "-B", script, lab.secretFile, victim.host.address, ...args);
  const outcome = await run(command, { limitMs: allowanceMs(12_000) });
  expect(outcome).toMatchObject({ code: 0 });
  return Number(outcome.stdout.trimEnd().split("\n").at(-1));
}

interface Reached {
  readonly all: number;
  /** Handshake initiations of WireGuard, by their length. */
  readonly initiations: number;
}

/** Packets from the victim that have reached the bystander. */
function reached(): Reached {
  const count = (name: string): number => {
    const listing = must(at(bystander, "nft", "list", "counter", "inet", "count", name));
    return Number(/packets (\d+)/.exec(listing)?.[1]);
  };
  return { all: count("reached"), initiations: count("initiations") };
}

/** Packets a second that reached the bystander. */
interface Flood {
  readonly most: number;
  readonly mean: number;
  readonly seconds: number;
  readonly mostInitiations: number;
}

/** What reaches the bystander while `action` runs, and 10 s longer. */
async function floodOf(action: () => Promise<unknown>): Promise<Flood> {
  let most = 0;
  let mostInitiations = 0;
  let isOver = false;
  const begin = { ...reached(), ms: performance.now() };
  const seconds: string[] = [];
  const watching = (async () => {
    while (!isOver) {
      const start = reached();
      const startMs = performance.now();
      await delay(1000);
      const end = reached();
      // A busy machine stretches the second.
      const share = 1000 / Math.max(1000, performance.now() - startMs);
      most = Math.max(most, Math.round((end.all - start.all) * share));
      mostInitiations = Math.max(mostInitiations, Math.round((end.initiations - start.initiations) * share));
      seconds.push(`${end.all - start.all}/${end.initiations - start.initiations}`);
    }
  })();
  await action();
  await delay(10_000);
  isOver = true;
  await watching;
  console.log(`packets a second, and initiations among them: ${seconds.join(" ")}`);
  const lasted = (performance.now() - begin.ms) / 1000;
  return { most, mean: (reached().all - begin.all) / lasted, seconds: lasted, mostInitiations };
}

/** Runs an attack beside pings that must all be answered. */
async function unharmed<T>(action: () => Promise<T>): Promise<T> {
  const pings = [
    new SteadyPing(victim, (members[1] as Member).status.mesh_ip, 50),
    new SteadyPing(friend, (members[0] as Member).status.mesh_ipv6, 50),
  ];
  const value = await action();
  for (const ping of pings) {
    const { lost, sent } = await ping.finish();
    expect(sent).toBeGreaterThan(20);
    expect(lost).toEqual([]);
  }
  return value;
}

beforeAll(async () => {
  members = await formMesh([victim, friend]);
  before = await friendAtVictim();
  pid = (await status()).pid;
  const rules = `table inet count {\n counter reached { }\n counter initiations { }\n chain input {
    type filter hook input priority -300;
    ip saddr ${victim.host.address} counter name reached
    ip saddr ${victim.host.address} meta length 176 counter name initiations\n }\n}\n`;
  must(at(bystander, "nft", "-f", "-"), rules);
});

afterEach(async () => {
  const { endpoint, mesh_ip, mesh_ipv6, state } = await friendAtVictim();
  expect({ endpoint, mesh_ip, mesh_ipv6, state }).toEqual({
    endpoint: before.endpoint,
    mesh_ip: before.mesh_ip,
    mesh_ipv6: before.mesh_ipv6,
    state: "connected",
  });
  const now = await status();
  expect([now.pid, now.state, now.counters.left]).toEqual([pid, "running", left]);
});

test("a member's own mesh address cannot be taken, nor the Internet be drawn to a member", async () => {
  const { refused = 0 } = (await status()).counters;
  await unharmed(() => attack(liar, "address", keyOf(1), before.mesh_ip));
  const rows = (await victim.wgPeers()) ?? [];
  const allowed = rows.flatMap(({ allowedIps, publicKey }) => allowedIps.map((ip) => [publicKey, ip]));
  expect(allowed.filter(([, ip]) => ip === `${before.mesh_ip}/32`)).toEqual([
    [keyOf(1), `${before.mesh_ip}/32`],
  ]);
  expect(allowed.filter(([, ip]) => /\/[01]$/.test(ip ?? ""))).toEqual([]);
  const routes = (await victim.exec(["ip", "route", "show", "table", "all", "dev", victim.iface])).stdout;
  expect(routes).not.toMatch(/^(default|0\.0\.0\.0\/1|128\.0\.0\.0\/1)/m);
  const after = await status();
  console.log(`refused ${after.counters.refused}, was ${refused}; warnings: ${after.warnings.length}`);
  expect(after.warnings.join("\n")).toContain("is not routed");
});

test("messages that are sent again, from elsewhere and under other types, change nothing", async () => {
  const file = path.join(liar.folder, "recorded.json");
  const recording = attack(victim.host, "record", file, String(RECORDED_SECONDS));
  await delay(2_000);
  // What friend says when something about it changes, and when it leaves and comes back.
  await friend.stop();
  left = 1;
  friend.start();
  const status = await friend.untilRunning();
  await victim.pingUntilAnswered(status.mesh_ip, allowanceMs(2_000));
  before = await friendAtVictim();
  const recorded = await recording;
  expect(recorded).toBeGreaterThan(2);
  const counters = async () => (await victim.rpc<StatusJson>("daemon.status")).counters;
  const start = await counters();
  await unharmed(() => attack(liar, "replay", file));
  const end = await counters();
  const news = Object.entries(end).filter(([name, value]) => value !== start[name]);
  console.log(
    `${recorded} recorded; ${news.map(([name, value]) => `${name} +${value - (start[name] ?? 0)}`).join(", ")}`,
  );
  expect((end.replayed ?? 0) - (start.replayed ?? 0)).toBeGreaterThanOrEqual(recorded);
  // The GOODBYE among them is the one that friend said itself, in its run before.
  expect(end.left).toBe(start.left);
});

/**
 * Whatever is said of an address: greetings and punches have budgets of their own (a burst of 150 packets, then 15 a second in all), and
 * 32 strangers at one address are tried at a time, each every 5 s.
 */
const bounds = { most: 250, mean: 40, mostInitiations: 100 };

function expectWithin({ most, mean, mostInitiations }: Flood): void {
  expect(most).toBeLessThanOrEqual(bounds.most);
  expect(mean).toBeLessThanOrEqual(bounds.mean);
  expect(mostInitiations).toBeLessThanOrEqual(bounds.mostInitiations);
}

test("orders to punch that nobody asked for are not obeyed", async () => {
  const { most } = await floodOf(() =>
    unharmed(() => attack(liar, "start", "40", keyOf(1), bystander.address, keyOf(0))),
  );
  expect(most).toBe(0);
});

test("an introducer that leads whoever asks it to a bystander floods nobody", async () => {
  let orders = 0;
  const flood = await floodOf(() =>
    unharmed(async () => {
      orders = await attack(liar, "introduce", "20", "40", bystander.address);
    }),
  );
  console.log(`${orders} orders that were asked for`);
  expect(orders).toBeGreaterThan(10);
  // The ports of a symmetric NAT are sprayed once, 1,024 of them at 500 a second; what remains is as ever.
  expect(flood.most).toBeLessThanOrEqual(bounds.most + 500);
  expect(flood.mean * flood.seconds).toBeLessThanOrEqual(1_024 + bounds.mean * flood.seconds);
});

test("10,000 invented contacts at one address: it is asked a little, and nobody is harmed", async () => {
  const memory = (await status()).memory_bytes;
  const flood = await floodOf(() =>
    unharmed(() => attack(liar, "contacts", String(CONTACTS), bystander.address)),
  );
  const after = await status();
  const mebibytes = (after.memory_bytes - memory) / (1 << 20);
  console.log(`${CONTACTS} contacts: ${after.peers.total} known, memory +${mebibytes.toFixed(1)} MiB`);
  expect(after.peers.total).toBeLessThanOrEqual(1000);
  expectWithin(flood);
});

test("a crowd of invented members at a bystander's address, too, and the status tells of it", async () => {
  expectWithin(await floodOf(() => unharmed(() => attack(liar, "crowd", "120", bystander.address))));
  const told = (await status()).warnings.find((text) => text.includes(`said to be at ${bystander.address}`));
  expect(told).toMatch(/^\d+ peers without a tunnel .*: \d+ of them wait for their turn$/);
});
