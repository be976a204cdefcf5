import { beforeEach, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { type TryOutcome, tryPeer } from "../../../src/discovery/tryPeer.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { GOSSIP_PORT, type TestNode, testAddresses, testKey, testSealer } from "./memoryMesh.ts";
import { useMemoryMesh } from "./useMemoryMesh.ts";

const publicKey = testKey("asker");
const mesh = useMemoryMesh();
let node: TestNode;
let added: string[];

beforeEach(async () => {
  mesh.network.setHost("asker", ["192.0.2.200"]);
  node = mesh.add("node", "192.0.2.1");
  added = [];
  node.store.subscribe((event) => void added.push(event.type));
  await node.start();
});

/** Asks `host` and lets time pass until it has an outcome. */
async function ask(host: string, change: { prover?: string; sealer?: string } = {}): Promise<TryOutcome> {
  let outcome: TryOutcome | null = null;
  const asking = tryPeer({
    clock: mesh.clock,
    random: seededRandom("asker"),
    sealer: testSealer(change.sealer),
    bind: mesh.network.factory("asker"),
    publicKey,
    meshIp: testAddresses.meshIpv4(publicKey, 0) as IpAddress,
    prover: testProver(testKey(change.prover ?? "asker")),
    to: { host, port: GOSSIP_PORT },
  }).then((result) => {
    outcome = result;
  });
  await mesh.clock.until(() => outcome !== null, 15_000, 50);
  await asking;
  return outcome as unknown as TryOutcome;
}

test("a node of ours answers with a good proof, and keeps nothing of the asker", async () => {
  const { answer, strangers } = await ask("192.0.2.1");
  expect(answer).toMatchObject({
    proof: "ok",
    announcement: {
      publicKey: node.key,
      hostname: "node",
      observedEndpoint: expect.stringMatching(/^192\.0\.2\.200:/),
    },
  });
  expect(answer?.afterMs).toBeLessThan(50);
  expect(strangers).toBe(0);
  await mesh.clock.advance(100);
  expect(added).toEqual(["added", "removed"]);
  expect(node.store.size).toBe(0);
  // Nor does it go on asking who that was.
  mesh.network.sent.length = 0;
  await mesh.clock.advance(120_000);
  expect(mesh.network.sent.filter(({ to }) => to.startsWith("192.0.2.200:"))).toEqual([]);
});

test("a proof that is not for us is called wrong", async () => {
  expect((await ask("192.0.2.1", { prover: "somebody else" })).answer?.proof).toBe("wrong");
});

test("nobody at the address: no answer after ten seconds", async () => {
  const startMs = mesh.clock.monotonicMs();
  expect(await ask("192.0.2.99")).toEqual({ answer: null, strangers: 0, sendError: null });
  expect(mesh.clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(10_000);
});

test("another mesh at the address: it does not answer, and what it says does not count", async () => {
  expect((await ask("192.0.2.1", { sealer: "another mesh" })).answer).toBe(null);
  expect(added).toEqual([]);
});

test("an address that cannot be sent to is told", async () => {
  expect(await ask("198.18.0.1")).toEqual({ answer: null, strangers: 0, sendError: "EHOSTUNREACH" });
});
