/** How long a packet waits while another stream fills the tunnel. */
import { spawn } from "node:child_process";
import { median } from "../../__test__/mesh/harness/time.ts";
import type { Tunnel } from "./ends.ts";

const pings = 200;
const intervalSeconds = 0.02;
const port = "5202";

export interface Latency {
  readonly medianUs: number;
  readonly p99Us: number;
}

/** Round trips of pings beside one TCP stream in the same direction. */
export async function latencyUnderLoad({ from, to, target }: Tunnel): Promise<Latency> {
  const inNamespace = (namespace: string, ...command: string[]) =>
    spawn("ip", ["netns", "exec", namespace, ...command], { stdio: "ignore" });
  const server = inNamespace(to.host.namespace, "iperf3", "-s", "-1", "-p", port);
  // Longer than the pings; it is ended with them.
  const load = ["sh", "-c", `sleep 0.5; exec iperf3 -c ${target} -p ${port} -t 30`];
  const client = inNamespace(from.host.namespace, ...load);
  try {
    const wait = ["sh", "-c", 'sleep 1.5; exec "$@"', "sh"];
    const command = ["ping", "-n", "-c", String(pings), "-i", String(intervalSeconds), target];
    const { stdout } = await from.exec([...wait, ...command]);
    const trips = [...stdout.matchAll(/ time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000);
    if (trips.length < pings / 2) throw new Error(`${trips.length} of ${pings} pings answered:\n${stdout}`);
    const sorted = trips.sort((a, b) => a - b);
    return { medianUs: median(sorted), p99Us: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN };
  } finally {
    client.kill("SIGKILL");
    server.kill("SIGKILL");
  }
}
