/** One plain UDP hole punch between two hosts, by programs/puncher.py; the test is their signalling. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Host } from "../harness/lab.ts";
import { stunPort } from "./servers.ts";
import { program } from "./site.ts";

export interface PunchEnd {
  readonly host: Host;
  readonly port: number;
  /** How much later than the other it starts to send. */
  readonly delayMs: number;
}

/** Milliseconds until both directions worked; null when they did not within `limitMs`. */
export async function punch(
  server: string,
  ends: readonly [PunchEnd, PunchEnd],
  limitMs: number,
): Promise<number | null> {
  const sides = ends.map(({ host, port, delayMs }) => {
    const args = [server, stunPort, port, delayMs, limitMs].map(String);
    const command = ["netns", "exec", host.namespace, ...program("puncher.py"), ...args];
    const child = spawn("ip", command, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => {});
    return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
  });
  try {
    const next = (): Promise<string[]> =>
      Promise.all(
        sides.map(async ({ lines }) => {
          const { value, done } = await lines.next();
          if (done === true) throw new Error("a puncher ended");
          return value as string;
        }),
      );
    const [one, other] = await next();
    sides[0]?.child.stdin.write(`${other}\n`);
    sides[1]?.child.stdin.write(`${one}\n`);
    const results = await next();
    if (results.includes("closed")) return null;
    return Math.max(...results.map((text) => Number(text.split(" ")[1])));
  } finally {
    for (const { child } of sides) child.stdin.end();
  }
}
