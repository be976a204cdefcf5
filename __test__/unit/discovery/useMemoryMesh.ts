/** A mesh in memory for the tests of one file: made anew before each, ended after it; no task of its nodes may have failed. */
import { afterEach, beforeEach, expect } from "vitest";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { type NodeOptions, TestNode } from "./memoryMesh.ts";
import { MemoryNetwork, type NetworkOptions } from "./memoryNetwork.ts";

export class MemoryMesh {
  clock = new FakeClock();
  network = networkOf(this.clock);
  nodes: TestNode[] = [];

  /** Begins anew, without nodes. */
  begin({
    clock = new FakeClock(),
    ...options
  }: Partial<Omit<NetworkOptions, "clock">> & { clock?: FakeClock } = {}): void {
    this.clock = clock;
    this.network = networkOf(clock, options);
    this.nodes = [];
  }

  /** A node that is yet to be started. */
  add(name: string, ip: string, options: NodeOptions = {}): TestNode {
    const node = new TestNode(this.clock, this.network, name, ip, options);
    this.nodes.push(node);
    return node;
  }

  async start(name: string, ip: string, options: NodeOptions = {}): Promise<TestNode> {
    const node = this.add(name, ip, options);
    await node.start();
    return node;
  }

  async end(): Promise<void> {
    for (const node of this.nodes) await node.crash();
    expect(this.nodes.flatMap(({ failures }) => failures)).toEqual([]);
  }
}

export function useMemoryMesh(): MemoryMesh {
  const mesh = new MemoryMesh();
  beforeEach(() => mesh.begin());
  afterEach(() => mesh.end());
  return mesh;
}

function networkOf(clock: FakeClock, options: Partial<NetworkOptions> = {}): MemoryNetwork {
  const chance = seededRandom("network");
  return new MemoryNetwork({ clock, unit: () => chance.unit(), ...options });
}
