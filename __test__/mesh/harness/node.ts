/** One real wgmeshd in a namespace, and what tests ask of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import path from "node:path";
import { ended, type Outcome, type RunOptions, run } from "./exec.ts";
import type { Host } from "./lab.ts";
import { allowanceMs, isEmulated, nowMs, until } from "./time.ts";

// npm scripts and vitest run in the folder of package.json; bench/ bundles this file to another place.
export const daemonProgram = path.resolve("dist/wgmeshd.js");
export const clientProgram = path.resolve("dist/wgmesh.js");

/** What the tests run on: the VM sets `kernel`. */
export const testBackend = process.env.WGMESH_TEST_BACKEND ?? "embedded";

/** An emulated machine needs longer to start a ping than one would last. */
const PING_PACE = isEmulated ? ["-w", "10", "-i", "0.5"] : ["-w", "1", "-i", "0.1"];

export interface NodeOptions {
  /** Null gives none. */
  readonly secretFile?: string | null;
  /** What to launch in place of wgmeshd. */
  readonly program?: readonly string[];
  readonly iface?: string;
  readonly backend?: string;
  /** Further flags. */
  readonly flags?: readonly string[];
}

export interface LogLine {
  readonly atMs: number;
  readonly text: string;
  /** The fields, when the line is JSON. */
  readonly fields: Readonly<Record<string, unknown>> | null;
}

/** A row of `wg show <iface> dump`. */
export interface WgPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly allowedIps: readonly string[];
  /** Unix seconds, 0 for never. */
  readonly latestHandshake: number;
}

/** One peer of `wgmesh peers list --json`, as far as tests look. */
export interface PeerJson {
  readonly pubkey: string;
  readonly mesh_ip: string;
  readonly mesh_ipv6: string | null;
  readonly endpoint: string;
  readonly discovered_via: readonly string[] | null;
  readonly state: string;
  readonly path: "direct" | "relayed" | "bridged" | "forwarded" | "impossible" | "silent";
  readonly relay: string | null;
  readonly path_reason: string | null;
  readonly health: "healthy" | "suspect" | "reconnecting" | "evicted" | "cooling" | null;
}

/** `wgmesh status --json`, as far as tests look. */
export interface StatusJson {
  readonly state: string;
  readonly pid: number;
  readonly backend: string;
  readonly mesh_ip: string;
  readonly mesh_ipv6: string;
  readonly pubkey: string;
  readonly interface: string;
  readonly interface_index: number;
  readonly listen_port: number;
  readonly advertised_networks: readonly string[];
  readonly peers: { readonly total: number; readonly active: number; readonly connected: number };
  readonly counters: Readonly<Record<string, number>>;
  readonly memory_bytes: number;
  readonly warnings: readonly string[];
  readonly health: Readonly<Record<string, number>>;
}

export class MeshNode {
  readonly name: string;
  readonly host: Host;
  readonly iface: string;
  readonly backend: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly log: LogLine[] = [];
  readonly #options: NodeOptions;
  readonly #uapiDir: string;
  #told = 0;
  #child: ChildProcess | null = null;
  #exit: Promise<Pick<Outcome, "code" | "signal">> = Promise.resolve({ code: null, signal: null });

  constructor(name: string, host: Host, options: NodeOptions) {
    this.name = name;
    this.host = host;
    this.#options = options;
    this.iface = options.iface ?? "wg0";
    this.backend = options.backend ?? testBackend;
    this.stateDir = path.join(host.folder, "state");
    this.runDir = path.join(host.folder, "run");
    this.#uapiDir = path.join(host.folder, "uapi");
    mkdirSync(this.#uapiDir, { recursive: true });
  }

  get socketPath(): string {
    return path.join(this.runDir, `${this.iface}.sock`);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** A command for the node's namespace, which sees the node's own /var/run/wireguard. */
  command(...command: string[]): string[] {
    // ip netns exec gives the command a mount namespace of its own and then becomes the command: same pid.
    const script = 'mkdir -p /var/run/wireguard; mount --bind "$0" /var/run/wireguard && exec "$@"';
    return ["ip", "netns", "exec", this.host.namespace, "sh", "-c", script, this.#uapiDir, ...command];
  }

  /** Runs a command in the namespace to its end. */
  exec(command: readonly string[], options?: RunOptions): Promise<Outcome> {
    return run(this.command(...command), options);
  }

  /** The daemon's command line. */
  daemonCommand(...flags: string[]): string[] {
    const { secretFile } = this.#options;
    const files = ["--state-dir", this.stateDir, "--run-dir", this.runDir];
    return [
      ...(this.#options.program ?? [process.execPath, daemonProgram]),
      ...["--iface", this.iface, "--backend", this.backend],
      ...files,
      ...(secretFile === undefined || secretFile === null ? [] : ["--secret-file", secretFile]),
      ...["--log-format", "json", "--log-level", "debug"],
      ...(this.#options.flags ?? []),
      ...flags,
    ];
  }

  /** Launches the daemon and returns at once. */
  start(...flags: string[]): void {
    const [file = "", ...args] = this.command(...this.daemonCommand(...flags));
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], cwd: this.host.folder });
    for (const stream of [child.stdout, child.stderr]) this.#collect(stream);
    this.#child = child;
    this.#exit = ended(child);
  }

  /** Launches it and waits until it says it runs. */
  async startAndWait(...flags: string[]): Promise<StatusJson> {
    this.start(...flags);
    return this.untilRunning();
  }

  untilRunning(): Promise<StatusJson> {
    return until(`${this.name} is running`, allowanceMs(3000), async () => {
      if (this.#child?.exitCode !== null) throw new Error(`${this.name} ended:\n${this.logTail(20)}`);
      const status = await this.rpc<StatusJson>("daemon.status").catch(() => null);
      return status !== null && status.state === "running" && status;
    });
  }

  /** Sends a signal to the daemon itself. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when it has ended. */
  exit(): Promise<Pick<Outcome, "code" | "signal">> {
    return this.#exit;
  }

  async stop(): Promise<Pick<Outcome, "code" | "signal">> {
    this.signal("SIGTERM");
    return this.exit();
  }

  async kill9(): Promise<void> {
    this.signal("SIGKILL");
    await this.exit();
  }

  /** For clean-up: no waiting. */
  killNow(): void {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
  }

  /** `wgmesh …`, pointed at this node. */
  client(...args: string[]): Promise<Outcome> {
    const place = ["--iface", this.iface, "--run-dir", this.runDir];
    return this.exec([process.execPath, clientProgram, ...args, ...place]);
  }

  /** `wgmesh … --json`; throws when it fails. */
  async clientJson<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.client(...args, "--json");
    if (code !== 0) throw new Error(`wgmesh ${args.join(" ")}: exit ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** One JSON-RPC call over the socket: what the client does, without the price of a process. */
  rpc<T>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(this.socketPath);
      let answer = "";
      socket.setTimeout(allowanceMs(500), () => socket.destroy(new Error(`${method}: no answer`)));
      socket.on("error", reject);
      socket.on("close", () => reject(new Error(`${method}: closed`)));
      socket.on("data", (chunk) => {
        answer += chunk;
        if (!answer.includes("\n")) return;
        const { result, error } = JSON.parse(answer) as { result?: T; error?: { message: string } };
        if (error === undefined) resolve(result as T);
        else reject(new Error(`${method}: ${error.message}`));
        socket.destroy();
      });
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
    });
  }

  /** What `wg show` says of the interface; null when there is none. */
  async wgPeers(): Promise<WgPeer[] | null> {
    const { code, stdout } = await this.exec(["wg", "show", this.iface, "dump"]);
    if (code !== 0) return null;
    const [, ...rows] = stdout.trimEnd().split("\n");
    return rows.map((row) => {
      const [publicKey = "", , endpoint = "", allowedIps = "", latestHandshake] = row.split("\t");
      return {
        publicKey,
        endpoint,
        allowedIps: allowedIps.split(","),
        latestHandshake: Number(latestHandshake),
      };
    });
  }

  /** True when a link of the node's name exists in its namespace. */
  async hasInterface(): Promise<boolean> {
    return (await this.exec(["ip", "link", "show", "dev", this.iface])).code === 0;
  }

  /** Pings until the first answer, within `limitMs`; returns the milliseconds that took. */
  async pingUntilAnswered(target: string, limitMs: number): Promise<number> {
    const start = nowMs();
    await until(`${this.name} gets an answer from ${target}`, limitMs, async () => {
      const { code } = await this.exec(["ping", "-n", "-q", "-c", "1", ...PING_PACE, target]);
      return code === 0;
    });
    return nowMs() - start;
  }

  /** The files that a stopped node must not leave behind, of those that exist. */
  leftovers(): string[] {
    const candidates = [this.socketPath, path.join(this.runDir, `${this.iface}.pid`)];
    return [...candidates, path.join(this.#uapiDir, `${this.iface}.sock`)].filter((file) => existsSync(file));
  }

  /** First log line since `since` (an index into `log`) for which `accept` holds. */
  findLog(accept: (line: LogLine) => boolean, since = 0): LogLine | undefined {
    return this.log.slice(since).find(accept);
  }

  logTail(lines: number): string {
    return this.log
      .slice(-lines)
      .map(({ text }) => text)
      .join("\n");
  }

  /** Log lines since the last call. */
  takeNews(): string[] {
    const news = this.log.slice(this.#told).map(({ text }) => text);
    this.#told = this.log.length;
    return news;
  }

  #collect(stream: NodeJS.ReadableStream): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const texts = (rest + chunk).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) this.log.push({ atMs: nowMs(), text, fields: parseFields(text) });
    });
  }
}

function parseFields(text: string): LogLine["fields"] {
  if (!text.startsWith("{")) return null;
  try {
    return JSON.parse(text) as LogLine["fields"];
  } catch {
    return null;
  }
}
