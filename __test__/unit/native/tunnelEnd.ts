/** A process that runs embeddedEnd.mjs in a network and mount namespace of its own. */
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import type { DeviceEvent, DeviceState } from "@wgmesh/native";

const script = path.resolve("__test__/unit/native/embeddedEnd.mjs");
/** /run is ours there, so that /var/run/wireguard is nobody else's. */
const ownRun = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && exec "$@"';

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class TunnelEnd {
  readonly events: DeviceEvent[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, Pending>();
  #stderr = "";
  #next = 0;

  /**
   * With `beside`, in the mount namespace of that end, so with its UAPI sockets; with `network` shared in that one too, to see
   * what it leaves behind. With `testBuild` it uses the test build of the addon.
   */
  constructor(beside?: TunnelEnd, network: "own" | "shared" = "own", testBuild = false) {
    const node = [process.execPath, script];
    const where = network === "own" ? ["unshare", "--net"] : ["nsenter", `--target=${beside?.pid}`, "--net"];
    const [command = "", ...args] = beside
      ? ["nsenter", `--target=${beside.pid}`, "--mount", ...where, ...node]
      : ["unshare", "--net", "--mount", "sh", "-c", ownRun, "sh", ...node];
    this.#child = spawn(command, args, { env: { ...process.env, TEST_BUILD: testBuild ? "1" : "0" } });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#line(JSON.parse(line)));
    this.#child.on("close", () => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the end is gone: ${this.#stderr}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? assert.fail("not started");
  }

  // biome-ignore lint/suspicious/noExplicitAny: each command has its own answer, checked by what the case does with it.
  call(command: string, args: object = {}): Promise<any> {
    const id = this.#next++;
    this.#child.stdin.write(`${JSON.stringify({ id, command, ...args })}\n`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  async read(): Promise<DeviceState> {
    return await this.call("read");
  }

  /** Runs a command where the end is. */
  run(line: string): string {
    const where = [`--target=${this.pid}`, "--net", "--mount"];
    return execFileSync("nsenter", [...where, ...line.split(" ")], { encoding: "utf8", stdio: "pipe" });
  }

  fails(line: string): boolean {
    try {
      this.run(line);
      return false;
    } catch {
      return true;
    }
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
  }

  #line(line: {
    id?: number;
    value?: unknown;
    error?: { code: string; message: string };
    event?: DeviceEvent;
  }) {
    if (line.event) this.events.push(line.event);
    const pending = this.#pending.get(line.id ?? -1);
    this.#pending.delete(line.id ?? -1);
    if (line.error) pending?.reject(Object.assign(new Error(line.error.message), { code: line.error.code }));
    else pending?.resolve(line.value);
  }
}

/** Waits until `done`; a case that waits in vain fails. */
export async function until<T>(what: string, done: () => T | Promise<T>, limitMs = 10_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const result = await done();
    if (result) return result;
    assert.ok(performance.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
