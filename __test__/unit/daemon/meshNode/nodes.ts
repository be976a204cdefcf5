/** A host of each test's own, its nodes, which are closed after it, and what their starts and stops look like. */
import { afterEach, beforeEach, expect } from "vitest";
import { keyOf } from "../../mesh/peers.ts";
import { testDerivation } from "../../support/derivation.ts";
import { FakeHost, FakeNode, type FakeNodeOptions } from "../fakeNode.ts";

export let host: FakeHost;
const nodes: FakeNode[] = [];

beforeEach(() => {
  host = new FakeHost();
});

afterEach(async () => {
  for (const fake of nodes.splice(0)) await fake.node.close().catch(() => {});
  host.remove();
});

export function make(options: FakeNodeOptions = {}, on = host): FakeNode {
  const fake = new FakeNode(on, options);
  nodes.push(fake);
  return fake;
}

export async function start(options: FakeNodeOptions = {}): Promise<FakeNode> {
  const fake = make(options);
  await fake.node.open();
  return fake;
}

export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 3_000;
  while (!condition() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

export const meshIp = testDerivation.meshIpv4(keyOf(1), 0);
export const meshIpv6 = testDerivation.meshIpv6(keyOf(1));

/** Row C1. */
export const STARTUP = [
  "non-dumpable",
  "end-leftover wg0.child.json",
  "load identity",
  "open interface",
  "reset",
  "configure",
  `address ${meshIp}/16`,
  `address ${meshIpv6}/64`,
  `save ${meshIp} ${meshIpv6}`,
  "up",
  "discovery start",
  "rpc start",
];
/** Row C4. */
export const SHUTDOWN = [
  "rpc stop",
  "discovery task cancelled",
  "goodbye",
  "discovery stop",
  "unwatch",
  "delete interface",
];

/** Lock files and the state file are not real here, so the cache is all that may stay. */
const mayStay = (files: string[]): boolean =>
  files.every((file) => ["wg0-peers.json", "wg0.audit.jsonl"].includes(file));

export function expectNothingLeft(fake: FakeNode): void {
  expect(host.names.size).toBe(0);
  expect(host.lockedFiles.size).toBe(0);
  expect(host.files()).toSatisfy(mayStay);
  expect(fake.source.eventNames()).toEqual([]);
  for (const backend of fake.link.backends) expect(backend.closed).toEqual({ removed: true });
  expect(fake.link.present).toBeNull();
}
