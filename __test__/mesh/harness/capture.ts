import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import type { MeshNode } from "./node.ts";

export interface Captured {
  readonly packets: number;
  /** Packets that hold the pattern, wherever in them. */
  readonly withPattern: number;
  /** IPv4 packets from one of the two addresses to the other. */
  readonly betweenThem: number;
}

/** Looks at every packet of a link in a node's namespace until `finish`. */
export async function capture(
  node: MeshNode,
  link: string,
  pattern: string,
  addresses: readonly [string, string],
): Promise<{ finish(): Promise<Captured> }> {
  const program = path.resolve("__test__/mesh/harness/capture.py");
  const [file = "", ...args] = node.command("python3", program, link, pattern, ...addresses);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async finish() {
      child.stdin.end();
      const { value } = await lines.next();
      return JSON.parse(value) as Captured;
    },
  };
}
