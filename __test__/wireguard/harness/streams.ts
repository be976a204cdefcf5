/** Traffic of other protocols than ICMP: TCP whose content is checked, UDP whose order is. */
import path from "node:path";
import { expect } from "vitest";
import { until } from "../../mesh/harness/time.ts";
import type { Place } from "./place.ts";

export const python = ["/usr/bin/python3", "-B"];
/** A helper program of this folder. */
export const helper = (name: string): string => path.resolve("__test__/wireguard/harness", name);

/** Sends `bytes` through each of some TCP connections at once; all must arrive whole. */
export async function tcp(
  from: Place,
  to: Place,
  address: string,
  bytes: number,
  streams = 1,
): Promise<void> {
  const server = to.start(...python, helper("streams.py"), "serve", address);
  try {
    const port = await until("a server", 10_000, () => server.stdout.trim() || null);
    await from.run([...python, helper("streams.py"), "send", address, port, streams, bytes].join(" "));
  } finally {
    await server.stop();
  }
}

export interface UdpOptions {
  readonly streams?: number;
  /** In all; as fast as the sender can without. */
  readonly megabits?: number;
  /** UDP payload; without, what fits. */
  readonly size?: number;
  /** When to end, in the words of iperf3's client. */
  readonly until: readonly string[];
}

export interface UdpCount {
  /** Datagrams that were sent as far as the receiver can tell. */
  readonly packets: number;
  readonly lost: number;
  readonly outOfOrder: number;
}

/** What iperf3's server says when a client was served. */
interface ServerResult {
  readonly end: {
    readonly sum: { readonly packets: number; readonly lost_packets: number };
    readonly streams: readonly { readonly udp: { readonly out_of_order: number } }[];
  };
}

let nextPort = 5201;

export async function udp(from: Place, to: Place, address: string, options: UdpOptions): Promise<UdpCount> {
  const { streams = 1, megabits = 0, size } = options;
  const port = String(nextPort++);
  const server = to.start("iperf3", "-s", "-1", "-J", "-B", address, "-p", port);
  try {
    await until("iperf3 listens", 10_000, async () => {
      expect(server.running, server.stdout).toBe(true);
      return (await to.try(`ss -Hltn sport = :${port}`)).stdout !== "";
    });
    const rate = ["-b", String(Math.round((megabits * 1e6) / streams))];
    const length = size === undefined ? [] : ["-l", String(size)];
    const client = [
      "iperf3",
      "-u",
      "-c",
      address,
      "-p",
      port,
      "-P",
      streams,
      ...rate,
      ...length,
      ...options.until,
    ];
    await from.run(client.join(" "));
    await server.exit;
  } finally {
    await server.stop();
  }
  const { end } = JSON.parse(server.stdout) as ServerResult;
  return {
    packets: end.sum.packets,
    lost: end.sum.lost_packets,
    outOfOrder: end.streams.reduce((sum, one) => sum + one.udp.out_of_order, 0),
  };
}
