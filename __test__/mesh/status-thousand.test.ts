/** How long an operator waits for what a node that knows a thousand peers says of them. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { KNOWN_PEERS, leaveKnownPeers } from "./harness/knownPeers.ts";
import { clientProgram } from "./harness/node.ts";
import { until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const alice = lab.addNode("alice", { flags: ["--log-level", "info"] });

/** A person does not notice less. It is counted in work: the waits are those of a busy machine. */
const LIMIT_MS = 250;
/** A machine on which Node.js alone takes more than a quarter of that may take this many times as long as it. */
const OF_NODE_ALONE = 4;

const reportsItsWork =
  'process.on("exit", () => { const { user, system } = process.cpuUsage(); process.stderr.write(String((user + system) / 1000)); })';

/** The output of the client, and what it worked. */
function client(words: readonly string[]): Promise<{ ms: number; stdout: string }> {
  return nodeProcess(clientProgram, ...words, "--socket-path", alice.socketPath);
}

async function nodeProcess(...words: string[]): Promise<{ ms: number; stdout: string }> {
  const hook = `data:text/javascript,${encodeURIComponent(reportsItsWork)}`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--import", hook, ...words], {
    maxBuffer: 4_000_000,
  });
  return { ms: Number(stderr), stdout };
}

/** The least of several: what other programs do meanwhile makes it more, never less. */
async function leastMs(measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 8; run++) least = Math.min(least, await measure());
  return least;
}

/** User and system time of the daemon so far, in ticks of 10 ms (/proc/PID/stat). */
function daemonMs(): number {
  const fields = readFileSync(`/proc/${alice.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What the daemon works for an answer, and for whatever else is due then. */
async function answerMs(method: string): Promise<number> {
  const before = daemonMs();
  await alice.rpc<object>(method);
  return daemonMs() - before;
}

test("status and peers list are there within a quarter of a second with 1,000 peers known", async () => {
  const { mesh_ip } = await alice.startAndWait();
  await alice.stop();
  leaveKnownPeers(alice, mesh_ip);
  await alice.startAndWait();
  await until("it knows them", 30_000, async () => {
    const { total } = await alice.rpc<{ total: number }>("peers.count");
    return total === KNOWN_PEERS;
  });
  const aloneMs = await leastMs(async () => (await nodeProcess("-e", "0")).ms);
  const limitMs = Math.max(LIMIT_MS, OF_NODE_ALONE * aloneMs);
  for (const { words, method, told } of [
    { words: ["status"], method: "daemon.status", told: `${KNOWN_PEERS} known` },
    { words: ["peers", "list"], method: "peers.list", told: "host-999 " },
  ]) {
    expect((await client(words)).stdout).toContain(told);
    const clientMs = await leastMs(async () => (await client(words)).ms);
    expect(clientMs).toBeGreaterThan(1);
    expect(clientMs + (await leastMs(() => answerMs(method)))).toBeLessThan(limitMs);
  }
});
