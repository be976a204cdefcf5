/** Somebody who sends a device more than it wants. */
import { expect } from "vitest";
import { until } from "../../mesh/harness/time.ts";
import { connect, type Job, type Place } from "./place.ts";
import { helper, python } from "./streams.ts";
import type { Tunnel } from "./tunnel.ts";

export type FloodKind = "initiation" | "cookie" | "garbage" | "data" | "replay";

export interface FloodCount {
  readonly sent: number;
  readonly perSecond: number;
  readonly cookies: number;
  readonly others: number;
  /** CPU time of the device for each datagram that was sent, in µs; all else it did meanwhile included. */
  readonly cpuUs: number;
}

/** A place from which anybody can be forged: its own are all of 198.18.0.0/17. */
export async function addAttacker(place: Place, victim: Place): Promise<void> {
  await connect(victim, "hostile", place, "eth0");
  await victim.ip("address add 198.18.255.254/16 dev hostile", "link set hostile up");
  // One neighbour, so that the victim's table of them is not what is tested.
  await victim.ip("route add 198.18.0.0/17 via 198.18.255.253");
  await place.ip(
    "address add 198.18.255.253/16 dev eth0",
    "link set eth0 up",
    "route add local 198.18.0.0/17 dev lo",
  );
}

export class Flood {
  readonly #job: Job;
  readonly #victim: Tunnel;
  readonly #cpuMs: number;

  private constructor(job: Job, victim: Tunnel, cpuMs: number) {
    this.#job = job;
    this.#victim = victim;
    this.#cpuMs = cpuMs;
  }

  static async start(
    from: Place,
    kind: FloodKind,
    victim: Tunnel,
    claimed: { publicKey: string },
    options: { port: number; perSecond: number; sources: number; recorded?: readonly string[] },
  ): Promise<Flood> {
    const { port, perSecond, sources, recorded = [] } = options;
    const words = [kind, "198.18.255.254", port, perSecond, sources, victim.publicKey, claimed.publicKey].map(
      String,
    );
    const job = from.start(...python, helper("flood.py"), ...words);
    job.child.stdin?.end(recorded.join("\n"));
    await until("the flood", 10_000, () => {
      expect(job.running, job.stderr).toBe(true);
      return job.stdout.startsWith("ready\n");
    });
    return new Flood(job, victim, await victim.cpuMs());
  }

  get running(): boolean {
    return this.#job.running;
  }

  async stop(): Promise<FloodCount> {
    const cpuMs = (await this.#victim.cpuMs()) - this.#cpuMs;
    await this.#job.stop("SIGTERM");
    expect(this.#job.stderr).toBe("");
    const { sent, ms, cookies, others } = JSON.parse(this.#job.stdout.split("\n")[1] ?? "");
    return { sent, perSecond: (sent * 1000) / ms, cookies, others, cpuUs: (cpuMs * 1000) / sent };
  }
}
