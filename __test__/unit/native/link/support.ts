/** What the cases of links, addresses and routes share: `ip`, a link of each case's own, and waiting. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import * as native from "@wgmesh/native";

const require = createRequire(import.meta.url);
export const addon = require.resolve("@wgmesh/native");

export function ip(line: string): string {
  return execFileSync("ip", line.split(" "), { encoding: "utf8" });
}

/** Lines of `ip -batch`, which makes thousands of objects in one process. */
export function ipBatch(lines: readonly string[]): void {
  execFileSync("ip", ["-batch", "-"], { input: lines.join("\n") });
}

// biome-ignore lint/suspicious/noExplicitAny: what `ip -json` prints has no types.
export function ipJson(line: string): any[] {
  return JSON.parse(ip(`-json ${line}`) || "[]");
}

let pairs = 0;

/** A veth pair of its own for each case, both ends up; the name of the end that is tested. */
export function withLink(body: (name: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    pairs += 1;
    const name = `test${pairs}`;
    ip(`link add ${name} type veth peer name far${pairs}`);
    ip(`link set far${pairs} up`);
    try {
      native.linkSetUp(name);
      await body(name);
    } finally {
      ip(`link del ${name}`);
    }
  };
}

export function refuses(call: () => unknown, code: string, text: RegExp): void {
  assert.throws(call, (error: Error & { code?: string }) => {
    assert.match(error.message, text);
    assert.equal(error.code, code);
    assert.ok(error.message.startsWith(`${code}: cannot `), error.message);
    return true;
  });
}

/** Waits until `done`; a case that waits in vain fails. */
export async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!done()) {
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function destinations(linkName: string): string[] {
  return native.routeList(linkName).map((route) => route.destination);
}

/** Runs code with the addon as `native` in a process without capabilities; what it prints. */
export function withoutRights(code: string): string {
  const program = `const native = require(${JSON.stringify(addon)});\n${code}`;
  const args = ["--bounding-set=-all", process.execPath, "-e", program];
  return execFileSync("setpriv", args, { encoding: "utf8" });
}
