import { expect } from "vitest";
import { answeredInARow, countPings, type PingCount } from "../../mesh/harness/pingOutput.ts";
import { until } from "../../mesh/harness/time.ts";
import type { Job, Place } from "./place.ts";

export interface PingOptions {
  readonly count?: number;
  /** Sends the next one as soon as the last is answered; one or two more than `count` where answers are late. */
  readonly quick?: boolean;
  /** ICMP payload in bytes. */
  readonly size?: number;
  /** Further options of ping(8). */
  readonly more?: string;
}

/** How many pings were answered. */
export async function ping(from: Place, target: string, options: PingOptions = {}): Promise<number> {
  const { stdout } = await from.try(pingLine(target, options));
  return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
}

/** All pings must be answered. */
export async function allAnswered(from: Place, target: string, options: PingOptions = {}): Promise<void> {
  const { stdout, stderr } = await from.try(pingLine(target, options));
  const message = `${pingLine(target, options)}: ${stdout}${stderr}`;
  expect(answeredInARow(stdout), message).toBeGreaterThanOrEqual(options.count ?? 1);
}

/** No ping may be answered. */
export async function noneAnswered(from: Place, target: string, options: PingOptions = {}): Promise<void> {
  expect(await ping(from, target, options), `${target} answered`).toBe(0);
}

function pingLine(target: string, { count = 1, quick = false, size, more }: PingOptions): string {
  const words = [
    `ping -n -c ${count}`,
    ...(quick ? ["-A -w 20"] : ["-i 0.2 -W 2"]),
    ...(size === undefined ? [] : [`-s ${size}`]),
    ...(more === undefined ? [] : [more]),
    target,
  ];
  return words.join(" ");
}

/** How long an answer may take: what was sent later than this before the end may still have been on its way. */
const ON_ITS_WAY_MS = 2000;

/** Pings at a steady pace until it is told to finish, at most for `longestSeconds`. */
export class SteadyPing {
  readonly #job: Job;
  readonly #onItsWay: number;

  constructor(from: Place, target: string, intervalMs: number, longestSeconds = 120) {
    const interval = String(intervalMs / 1000);
    this.#onItsWay = Math.ceil(ON_ITS_WAY_MS / intervalMs);
    this.#job = from.start("ping", "-n", "-i", interval, "-w", String(longestSeconds), target);
  }

  /** Resolves when the first answer has come. */
  async answered(): Promise<void> {
    await until("the first answer", 20_000, () => / icmp_seq=/.test(this.#job.stdout));
  }

  async finish(): Promise<PingCount> {
    expect(this.#job.running, this.#job.stdout.slice(-500)).toBe(true);
    await this.#job.stop("SIGINT");
    return countPings(this.#job.stdout, this.#onItsWay);
  }

  /** Finishes; nothing may have been lost. */
  async lostNothing(): Promise<PingCount> {
    const count = await this.finish();
    expect(count.lost, `of ${count.sent} pings`).toEqual([]);
    return count;
  }
}
