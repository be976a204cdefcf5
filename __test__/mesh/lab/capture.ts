import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { program } from "./site.ts";

export interface Captured {
  readonly packets: number;
  /** Packets that held the text. */
  readonly plaintext: number;
}

/** Looks at every packet in a namespace until `stop`. */
export async function capture(namespace: string, text: string): Promise<{ stop(): Promise<Captured> }> {
  const command = ["netns", "exec", namespace, ...program("capture.py"), text];
  const child = spawn("ip", command, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await lines.next();
  return {
    async stop() {
      child.stdin.end();
      return JSON.parse((await lines.next()).value as string) as Captured;
    },
  };
}
