/** Traffic through a tunnel by iperf3, and what it cost. */
import { spawn } from "node:child_process";
import { until } from "../../__test__/mesh/harness/time.ts";
import { cpuMs, type Tunnel } from "./ends.ts";

/** Seconds that count, after {@link warmUpSeconds} that do not. */
const seconds = 4;
const warmUpSeconds = 1;

export interface Load {
  readonly what: string;
  /** Flags of the client. */
  readonly flags: readonly string[];
}

export interface Moved {
  /** Mbit/s that the receiver counted. */
  readonly megabits: number;
  /** CPU seconds of both ends' processes for 10⁹ bytes that arrived. */
  readonly cpuPerGigabyte: number;
}

/** Runs a load to its end. */
export async function move(tunnel: Tunnel, load: Load): Promise<Moved> {
  const { from, to, target, pids } = tunnel;
  const server = spawn("ip", ["netns", "exec", to.host.namespace, "iperf3", "-s", "-1"], { stdio: "ignore" });
  try {
    const listening = "ss --listening --tcp --numeric | grep -q :5201";
    await until("iperf3 listens", 10_000, async () => (await to.exec(["sh", "-c", listening])).code === 0);
    const time = ["-t", String(seconds), "-O", String(warmUpSeconds), "-J"];
    const before = pids.map(cpuMs);
    const { stdout } = await from.exec(["iperf3", "-c", target, ...time, ...load.flags]);
    const spentMs = pids.reduce((sum, pid, index) => sum + cpuMs(pid) - (before[index] ?? 0), 0);
    const bitsPerSecond = received(stdout);
    // The processes work through the warm-up as well.
    const gigabytes = (bitsPerSecond * (seconds + warmUpSeconds)) / 8e9;
    return { megabits: bitsPerSecond / 1e6, cpuPerGigabyte: spentMs / 1000 / gigabytes };
  } finally {
    server.kill("SIGKILL");
  }
}

interface Sum {
  readonly bits_per_second: number;
  readonly lost_percent?: number;
}

/** Bits a second at the receiver. For UDP iperf3 counts there what was lost on the way. */
function received(stdout: string): number {
  const { error, end } = JSON.parse(stdout) as { error?: string; end?: { sum_received?: Sum; sum?: Sum } };
  const sum = end?.sum_received ?? end?.sum;
  if (sum === undefined) throw new Error(`iperf3: ${error}`);
  return sum.bits_per_second;
}
