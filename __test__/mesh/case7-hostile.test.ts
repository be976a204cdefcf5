import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { run } from "./harness/exec.ts";
import { daemonProgram, type MeshNode, type StatusJson } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const datagrams = 100_000;
/** The first fills what is bounded: peer store, limiter and the like. What comes then must not cost more with each. */
const floods = [datagrams, datagrams / 2, datagrams / 2];
/** What is in use when all garbage is collected swings by as much; it does not grow with the number of datagrams. */
const flatBytes = 16 << 20;
/** V8's own count does not swing: this is for compiled code, and tables that fill slowly. */
const flatHeapBytes = 4 << 20;
/** The replay memory keeps the nonce of each message that was accepted for 20 minutes (replayCache.ts), with its source. */
const nonceBytes = 250;

/** Counters of `wgmesh status`, by the stage of the receive path they belong to. */
const stages = {
  limiter: ["sizeRejected", "limited"],
  seal: ["sealRejected", "sealOpened"],
  fields: ["fieldsRejected", "fieldsAccepted"],
  store: ["stored"],
} as const;

/** Packets that the kernel has dropped before any program saw them, since its receive queues were full. */
const droppedByKernel = (): number =>
  readFileSync("/proc/net/softnet_stat", "utf8")
    .trimEnd()
    .split("\n")
    .reduce((sum, row) => sum + Number.parseInt(row.split(" ")[1] ?? "0", 16), 0);

interface Memory {
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
}

/** Bytes that the daemon has in use, in JavaScript and outside of it: its memory less what V8 holds in reserve. */
const inUse = ({ rss, heapTotal, heapUsed }: Memory): number => rss - heapTotal + heapUsed;

const mebibytes = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);

const status = (node: MeshNode): Promise<StatusJson> => node.rpc<StatusJson>("daemon.status");

describe(`${datagrams} mutated datagrams from many addresses, half of them correctly sealed`, () => {
  const lab = useLab();
  const host = lab.addHost("victim");
  const measured = path.join(host.folder, "memory.json");
  const measuring = `${pathToFileURL(path.join(import.meta.dirname, "hostile/measured.mjs")).href}?to=${measured}`;
  const program = [process.execPath, "--expose-gc", "--import", measuring, daemonProgram];
  const victim = lab.addNode("victim", { program }, host);
  const friend = lab.addNode("friend");
  const attacker = lab.addHost("attacker");

  const flood = (count: number, seed: number, keys: readonly string[]): Promise<unknown> => {
    const script = path.join(import.meta.dirname, "hostile/flood.py");
    const args = [lab.secretFile, victim.host.address, String(count), String(seed), ...keys];
    const command = ["/usr/bin/python3", "-B", script, ...args];
    return run(["ip", "netns", "exec", attacker.namespace, ...command], { limitMs: 200_000 }).then(
      (outcome) => expect(outcome).toMatchObject({ code: 0, stdout: `${count}\n` }),
    );
  };

  const memory = async (): Promise<Memory> => {
    rmSync(measured, { force: true });
    victim.signal("SIGUSR2");
    await until("the memory is measured", allowanceMs(2_000), () => existsSync(measured));
    return JSON.parse(readFileSync(measured, "utf8")) as Memory;
  };

  test("cost no ping, no memory and no crash, and reach every stage", async () => {
    const [inVictim, inFriend] = (await formMesh([victim, friend])) as [Member, Member];
    const local = ["ip", "-n", attacker.namespace, "route", "add", "local", "198.18.0.0/16", "dev", "lo"];
    expect((await run(local)).code).toBe(0);
    const keys = [inVictim.status.pubkey, inFriend.status.pubkey];
    const { pid } = await status(victim);

    const droppedBefore = droppedByKernel();
    const pings = [
      new SteadyPing(friend, inVictim.status.mesh_ip, 10),
      new SteadyPing(victim, inFriend.status.mesh_ipv6, 10),
    ];
    const measures: { readonly inUse: number; readonly heapUsed: number; readonly accepted: number }[] = [];
    for (const [seed, count] of floods.entries()) {
      await flood(count, seed + 1, keys);
      await delay(1000);
      const { fieldsAccepted: accepted = 0, received } = (await status(victim)).counters;
      const now = await memory();
      measures.push({ inUse: inUse(now), heapUsed: now.heapUsed, accepted });
      console.log(
        `after flood ${seed + 1}, ${received} datagrams: ${mebibytes(inUse(now))} MiB in use, ${mebibytes(now.heapUsed)} of them V8's`,
      );
    }
    const after = await status(victim);
    const counts = await Promise.all(pings.map((ping) => ping.finish()));

    const dropped = droppedByKernel() - droppedBefore;

    expect(after.pid).toBe(pid);
    console.log(
      `pings lost: ${counts.map(({ lost }) => lost.length)}; dropped by the kernel's queues: ${dropped}`,
    );
    for (const { sent, lost } of counts) {
      expect(sent).toBeGreaterThan(500);
      expect(lost).toEqual([]);
    }
    const [before, end] = measures.slice(-2) as [(typeof measures)[0], (typeof measures)[0]];
    expect(end.inUse - before.inUse).toBeLessThan(flatBytes);
    const remembered = nonceBytes * (end.accepted - before.accepted);
    expect(end.heapUsed - before.heapUsed - remembered).toBeLessThan(flatHeapBytes);
    expect(after.state).toBe("running");

    console.log(`of ${2 * datagrams} the daemon received ${after.counters.received}`);
    for (const [stage, names] of Object.entries(stages)) {
      console.log(`${stage}: ${names.map((name) => `${name} ${after.counters[name]}`).join(", ")}`);
      for (const name of names) expect(after.counters[name], name).toBeGreaterThan(0);
    }
    expect(await victim.clientJson("peers", "get", inFriend.status.pubkey)).toMatchObject({
      mesh_ip: inFriend.status.mesh_ip,
      endpoint: `${friend.host.address}:${inFriend.status.listen_port}`,
      state: "connected",
    });
  });
});
