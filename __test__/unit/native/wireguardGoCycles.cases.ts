/**
 * Many wireguard-go devices, one after the other: nothing of them is left. `WGMESH_CYCLES=500` is the long form.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { linkList, MeshSecret, NodeIdentity, PresharedKey, WireGuardDevice } from "@wgmesh/native";
import { type Cases, note } from "../../vm/cases.ts";
import { children, childThreads, openDescriptors } from "./processes.ts";

const cycles = Number(process.env.WGMESH_CYCLES ?? 25);
export const timeoutSeconds = 60 + cycles * 2;

/** Cycles until caches, pools and heaps have their size. */
const WARM_UP = 10;
/** What the process may grow in all the cycles: allocators keep some pages. A leak of a page a cycle is 2 MiB in the long form. */
const MAX_GROWTH_KIB = 2048;

const presharedKey = PresharedKey.derive(MeshSecret.fromText("a secret for the cycles of wireguard-go"));
const identity = NodeIdentity.load("/nonesuch/state.json");
const peers = Array.from({ length: 20 }, (_, n) => ({
  publicKey: Buffer.alloc(32, n + 1).toString("base64"),
  presharedKey,
  allowedIps: [`10.9.${n}.0/24`, `fd00:${n}::/64`],
}));

async function cycle(): Promise<void> {
  const device = WireGuardDevice.open("wireguard-go", "wgcycle", 1380);
  try {
    device.onEvent(() => {});
    device.configure({ identity });
    device.up();
    assert.deepEqual(await device.apply(peers), []);
    assert.equal((await device.read()).peers.length, peers.length);
  } finally {
    device.close(true);
  }
}

/** RssAnon: what is the process's own, after everything that can be collected was. */
function residentKib(): number {
  for (let n = 0; n < 3; n += 1) globalThis.gc?.();
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

export const cases: Cases = {
  [`${cycles} of them leave no thread, descriptor, process, interface, socket or memory behind`]:
    async () => {
      const { setFlagsFromString } = await import("node:v8");
      const { runInNewContext } = await import("node:vm");
      setFlagsFromString("--expose-gc");
      globalThis.gc = runInNewContext("gc");
      for (let n = 0; n < WARM_UP; n += 1) await cycle();
      const before = { descriptors: openDescriptors(), kib: residentKib(), links: linkList().length };
      const startMs = performance.now();
      for (let n = 0; n < cycles; n += 1) await cycle();
      const eachMs = (performance.now() - startMs) / cycles;
      const after = { descriptors: openDescriptors(), kib: residentKib(), links: linkList().length };
      note(`${cycles} cycles of ${eachMs.toFixed(0)} ms, memory ${before.kib} to ${after.kib} KiB`);
      assert.equal(after.descriptors, before.descriptors);
      assert.equal(after.links, before.links);
      assert.deepEqual(childThreads(), []);
      assert.deepEqual(children(), []);
      assert.deepEqual(existsSync("/run/wireguard") ? readdirSync("/run/wireguard") : [], []);
      assert.ok(after.kib - before.kib < MAX_GROWTH_KIB, `grew from ${before.kib} to ${after.kib} KiB`);
    },
};
