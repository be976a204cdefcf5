/** Reading a device that another program changes all the time. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { traced } from "./netlinkTrace.ts";
import { nodes, publicKey } from "./population.ts";
import type { Subject } from "./subject.ts";

const STABLE_PEERS = 300;
/** Until a listing was seen to be repeated, which needs a change to fall between two of its messages. */
const LIMIT_MS = 60_000;

/** Adds and removes one peer until it is ended. */
const MEDDLER = 'while :; do wg set "$0" peer "$1"; wg set "$0" peer "$1" remove; done';

/** How many times the device was read, and how many listings that took. Each reading has every stable peer once. */
export async function churn(subject: Subject): Promise<{ reads: number; dumps: number }> {
  const { backend, name } = subject;
  const wanted = nodes(STABLE_PEERS);
  await subject.sync(wanted);
  const stable = new Set(wanted.map((peer) => peer.publicKey));
  const guest = publicKey(60_000);
  const meddler = spawn("sh", ["-c", MEDDLER, name, guest], { stdio: "ignore" });
  const ended = once(meddler, "close");
  let reads = 0;
  let dumps = 0;
  try {
    const deadline = performance.now() + LIMIT_MS;
    while (dumps <= reads && performance.now() < deadline) {
      const { asked } = await traced(async () => {
        for (let read = 0; read < 20; read += 1) {
          const keys = (await backend.read()).peers.map((peer) => peer.publicKey);
          assert.equal(new Set(keys).size, keys.length, "a peer is there twice");
          assert.equal(keys.filter((key) => stable.has(key)).length, STABLE_PEERS, "a peer is missing");
          reads += 1;
        }
      });
      dumps += asked.length;
    }
  } finally {
    meddler.kill("SIGKILL");
    await ended;
  }
  return { reads, dumps };
}
