/** Interfaces made, configured, used and closed, over and over: what a process keeps of them. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { linkList } from "@wgmesh/native";
import { note } from "../cases.ts";
import { nodes } from "./population.ts";
import { Subject } from "./subject.ts";

const PEERS = 20;
/** Until the heap, the thread pool and the allocator have what they need. */
const WARM_UP = 20;
/** Of resident memory over all cycles after the warm-up. A leak of one listing a cycle would be twice that in 500. */
const GROWTH_MIB = 4;

interface Held {
  readonly threads: number;
  readonly descriptors: number;
  readonly links: number;
  readonly residentMib: number;
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function held(): Held {
  collectGarbage();
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return {
    threads: readdirSync("/proc/self/task").length,
    descriptors: readdirSync("/proc/self/fd").length,
    links: linkList().length,
    residentMib: Number(resident) / 1024,
  };
}

async function cycle(number: number): Promise<void> {
  const subject = new Subject(`wgc${number % 3}`);
  try {
    subject.backend.up();
    // Quiet ones, since a keepalive would start handshakes.
    const wanted = nodes(PEERS).map((peer) => ({ ...peer, keepaliveSeconds: 0 }));
    await subject.sync(wanted);
    await subject.sync(wanted.slice(1));
    assert.equal((await subject.backend.read()).peers.length, PEERS - 1);
  } finally {
    subject.close();
  }
}

export async function cycles(count: number): Promise<void> {
  for (let number = 0; number < WARM_UP; number += 1) await cycle(number);
  const before = held();
  const began = performance.now();
  for (let number = 0; number < count; number += 1) await cycle(number);
  const perCycleMs = (performance.now() - began) / count;
  const after = held();
  const grown = after.residentMib - before.residentMib;
  note(
    `${count} interfaces came and went, ${Math.round(perCycleMs)} ms each; memory grew by ${grown.toFixed(1)} MiB`,
  );
  assert.deepEqual(
    { threads: after.threads, descriptors: after.descriptors, links: after.links },
    { threads: before.threads, descriptors: before.descriptors, links: before.links },
  );
  assert.ok(grown <= GROWTH_MIB, `resident memory grew by ${grown.toFixed(1)} MiB`);
}
