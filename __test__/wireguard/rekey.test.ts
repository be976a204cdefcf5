/**
 * Every pair of implementations goes on through one new session after another without losing a ping. Without further notice
 * embedded ends renew theirs every two seconds (the addon built for tests); with WGMESH_REKEY_MINUTES all go by the
 * protocol's own times, for so many minutes. Pairs with the kernel run where it has WireGuard, in the VM.
 */
import { describe, expect } from "vitest";
import { delay } from "../mesh/harness/time.ts";
import { type Pair, vethPair } from "./harness/pair.ts";
import { SteadyPing } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";
import type { Kind } from "./harness/tunnel.ts";

const minutes = Number(process.env.WGMESH_REKEY_MINUTES ?? 0);
const inVm = process.env.IN_VM !== undefined;

/** REKEY_AFTER_TIME of section 6.1. */
const REKEY_AFTER_MS = 120_000;
/** A sixtieth of the protocol's own, those that a handshake over a real network must not be cut off by somewhat longer. */
const shortened = {
  rekeyAfterMs: 2000,
  rejectAfterMs: 4000,
  rekeyTimeoutMs: 500,
  rekeyJitterMs: 20,
  keepaliveTimeoutMs: 300,
};

const full = minutes > 0;
const lengthMs = full ? minutes * 60_000 : 15_000;
const sessionMs = full ? REKEY_AFTER_MS : shortened.rekeyAfterMs;
/** Emulated, all that comes before and after takes its time. */
const marginMs = inVm ? 240_000 : 60_000;
const intervalMs = inVm || full ? 100 : 20;

/** The first begins, and so is the one that renews: with shortened times it must be one that has them. */
const pairs: readonly (readonly [Kind, Kind])[] = inVm
  ? [
      ["embedded", "kernel"],
      ...(full
        ? ([
            ["kernel", "embedded"],
            ["kernel", "wireguard-go"],
            ["wireguard-go", "kernel"],
          ] as const)
        : []),
    ]
  : [
      ["embedded", "embedded"],
      ["embedded", "wireguard-go"],
      ...(full
        ? ([
            ["wireguard-go", "embedded"],
            ["wireguard-go", "wireguard-go"],
          ] as const)
        : []),
    ];

/** When sessions were made, as the first end tells it, in Unix seconds. */
async function handshakesDuring({ a, b }: Pair, ms: number): Promise<number> {
  const times = new Set<number>();
  const end = performance.now() + ms;
  while (performance.now() < end) {
    times.add((await a.peer(b)).latestHandshake);
    await delay(Math.min(sessionMs / 4, end - performance.now()));
  }
  return times.size;
}

describe.concurrent("no ping is lost across new sessions between", () => {
  test.for(pairs)("%s and %s", { timeout: lengthMs + marginMs }, async ([kindA, kindB], { scene }) => {
    const options = (kind: Kind) => (kind === "embedded" && !full ? { kind, timing: shortened } : { kind });
    const pair = await vethPair(scene, options(kindA), options(kindB));
    const { a, b } = pair;
    const longestSeconds = (lengthMs + marginMs) / 1000;
    const [a4 = "", a6 = ""] = a.addresses;
    const [b4 = ""] = b.addresses;
    const first = new SteadyPing(a.inside, b4, intervalMs, longestSeconds);
    await first.answered();
    const others = [
      new SteadyPing(b.inside, a4, intervalMs, longestSeconds),
      new SteadyPing(b.inside, a6, 1000, longestSeconds),
    ];
    const handshakes = await handshakesDuring(pair, lengthMs);
    const counts = await Promise.all([first, ...others].map((pings) => pings.lostNothing()));
    console.log(
      `${kindA} and ${kindB}: ${counts.map(({ sent }) => sent).join(" + ")} pings, ${handshakes} sessions`,
    );
    expect(handshakes).toBeGreaterThanOrEqual(Math.floor((0.75 * lengthMs) / sessionMs));
  });
});
