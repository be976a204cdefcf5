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
  /** Each way. */
  readonly streams?: number;
  /** UDP payload; without, what fits. */
  readonly size?: number;
  /** Both ways at once; one way, to `address`, without. */
  readonly bothWays?: boolean;
  /** When to end, in the words of iperf3's client. */
  readonly until: readonly string[];
}

/** What one end received. */
export interface UdpCount {
  /** Datagrams that were sent as far as the receiver can tell. */
  readonly packets: number;
  readonly lost: number;
  readonly outOfOrder: number;
}

interface IperfResult {
  readonly end: { readonly streams: readonly { readonly udp: IperfStream }[] };
}

interface IperfStream {
  /** Whether the end that tells this sent. */
  readonly sender: boolean;
  readonly packets: number;
  readonly lost_packets: number;
  readonly out_of_order: number;
}

let nextPort = 5201;

/** UDP as fast as the sender can; what `to` received and, both ways, what `from` did. */
export async function udp(
  from: Place,
  to: Place,
  address: string,
  options: UdpOptions,
): Promise<{ there: UdpCount; back: UdpCount }> {
  const { streams = 1, size, bothWays = false } = options;
  const port = String(nextPort++);
  const server = to.start("iperf3", "-s", "-1", "-J", "-B", address, "-p", port);
  try {
    await until("iperf3 listens", 10_000, async () => {
      expect(server.running, server.stdout).toBe(true);
      return (await to.try(`ss -Hltn sport = :${port}`)).stdout !== "";
    });
    const length = size === undefined ? [] : ["-l", String(size)];
    const both = bothWays ? ["--bidir"] : [];
    const client = [
      "iperf3",
      "-J",
      "-u",
      "-c",
      address,
      "-p",
      port,
      "-P",
      streams,
      "-b",
      "0",
      ...length,
      ...both,
    ];
    const stdout = await from.run([...client, ...options.until].join(" "));
    await server.exit;
    return { there: received(server.stdout), back: received(stdout) };
  } finally {
    await server.stop();
  }
}

/** What iperf3 received where it printed this. */
function received(json: string): UdpCount {
  const streams = (JSON.parse(json) as IperfResult).end.streams.filter(({ udp: { sender } }) => !sender);
  const sum = (of: (stream: IperfStream) => number): number =>
    streams.reduce((total, { udp: stream }) => total + of(stream), 0);
  return {
    packets: sum((stream) => stream.packets),
    lost: sum((stream) => stream.lost_packets),
    outOfOrder: sum((stream) => stream.out_of_order),
  };
}
