/** One WireGuard interface of any implementation, set and read by wg(8). */
import path from "node:path";
import { until } from "../../mesh/harness/time.ts";
import { type KeyPair, newKeyPair } from "./keys.ts";
import type { Job, Place } from "./place.ts";

export type Kind = "embedded" | "wireguard-go" | "kernel";

/**
 * What the tests run on unless they say otherwise. The other kinds are for checking the tests: what they ask for must hold
 * for WireGuard as everybody knows it.
 */
const testedKind = (process.env.WGMESH_TUNNEL ?? "embedded") as Kind;

const program = path.resolve("__test__/wireguard/harness/embedded.mjs");
const LIMIT_MS = 60_000;
const WORST_CLOSE_MS = 10_000;

export interface TunnelOptions {
  readonly kind?: Kind;
  readonly name?: string;
  /** Where the interface goes; its UDP sockets stay where it was made. */
  readonly inside?: Place;
  /** UDP port */
  readonly port: number;
  readonly mtu?: number;
  /** Inner addresses with prefix lengths. */
  readonly addresses: readonly string[];
  /** Timers of the protocol, shortened; for embedded ones. */
  readonly timing?: Readonly<Record<string, number>>;
}

export interface PeerOptions {
  readonly endpoint?: string;
  readonly allowedIps?: readonly string[];
  /** Seconds */
  readonly keepalive?: number;
  readonly presharedKey?: string;
}

/** A row of `wg show dump`. */
export interface PeerState {
  readonly publicKey: string;
  /** Null for none. */
  readonly endpoint: string | null;
  readonly allowedIps: readonly string[];
  /** Unix seconds, 0 for never. */
  readonly latestHandshake: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** Seconds, 0 for off. */
  readonly keepalive: number;
}

export class Tunnel {
  readonly kind: Kind;
  readonly name: string;
  /** Where its UDP sockets are. */
  readonly outside: Place;
  /** Where the interface is. */
  readonly inside: Place;
  /** Inner addresses without prefix lengths. */
  readonly addresses: readonly string[];
  keys: KeyPair = newKeyPair();
  readonly #job: Job | null;

  private constructor(outside: Place, options: TunnelOptions, job: Job | null) {
    this.kind = options.kind ?? testedKind;
    this.name = options.name ?? "wg0";
    this.outside = outside;
    this.inside = options.inside ?? outside;
    this.addresses = options.addresses.map((address) => address.replace(/\/.*/, ""));
    this.#job = job;
  }

  /** Makes the interface, with key and port, and sets it up. */
  static async make(outside: Place, options: TunnelOptions): Promise<Tunnel> {
    const { kind = testedKind, name = "wg0", mtu = 1420, inside = outside, timing } = options;
    const job = start(outside, kind, name, mtu, timing);
    const tunnel = new Tunnel(outside, options, job);
    await until(`${name} is there`, LIMIT_MS, async () => {
      if (job !== null && !job.running) throw new Error(`${kind} ended: ${job.stderr}`);
      return (await outside.try(`wg show ${name} public-key`)).code === 0;
    });
    if (inside !== outside) await outside.run(`ip link set ${name} netns ${inside.pid}`);
    await tunnel.setKey(tunnel.keys);
    await tunnel.set("listen-port", String(options.port));
    await inside.ip(
      ...options.addresses.map(
        (address) => `address add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`,
      ),
      `link set ${name} mtu ${mtu} up`,
    );
    return tunnel;
  }

  get publicKey(): string {
    return this.keys.publicKey;
  }

  /** Process of an implementation that has one. */
  get pid(): number {
    return this.#job?.pid ?? 0;
  }

  /** wg(8) where the interface is known by name. */
  wg(line: string, input?: string): Promise<string> {
    const place = this.kind === "kernel" ? this.inside : this.outside;
    return place.run(`wg ${line}`, input);
  }

  /** `wg set` of this interface; words are passed on as they are. */
  async set(...words: string[]): Promise<void> {
    await this.wg(`set ${this.name} ${words.join(" ")}`);
  }

  async setKey(keys: KeyPair): Promise<void> {
    await this.wg(`set ${this.name} private-key /dev/stdin`, keys.privateKey);
    this.keys = keys;
  }

  /** Adds or changes a peer. */
  async setPeer(peer: { publicKey: string }, options: PeerOptions = {}): Promise<void> {
    const { endpoint, allowedIps, keepalive, presharedKey } = options;
    const words = [
      ...(presharedKey === undefined ? [] : ["preshared-key /dev/stdin"]),
      ...(endpoint === undefined ? [] : [`endpoint ${endpoint}`]),
      ...(keepalive === undefined ? [] : [`persistent-keepalive ${keepalive}`]),
      ...(allowedIps === undefined ? [] : [`allowed-ips ${allowedIps.join(",")}`]),
    ];
    await this.wg([`set ${this.name} peer ${peer.publicKey}`, ...words].join(" "), presharedKey);
  }

  async removePeer(peer: { publicKey: string }): Promise<void> {
    await this.set("peer", peer.publicKey, "remove");
  }

  async peers(): Promise<PeerState[]> {
    const [, ...rows] = (await this.wg(`show ${this.name} dump`)).trimEnd().split("\n");
    return rows.map((row) => {
      const [publicKey = "", , endpoint = "", allowed = "", handshake, rx, tx, keepalive] = row.split("\t");
      return {
        publicKey,
        endpoint: endpoint === "(none)" ? null : endpoint,
        allowedIps: allowed === "(none)" ? [] : allowed.split(","),
        latestHandshake: Number(handshake),
        rxBytes: Number(rx),
        txBytes: Number(tx),
        keepalive: keepalive === "off" ? 0 : Number(keepalive),
      };
    });
  }

  /** What it knows of a peer, which must be there. */
  async peer(other: { publicKey: string }): Promise<PeerState> {
    const found = (await this.peers()).find(({ publicKey }) => publicKey === other.publicKey);
    if (found === undefined) throw new Error(`${this.name} has no such peer`);
    return found;
  }

  /** Events so far (embedded only). */
  events(): { readonly type: string; readonly publicKey?: string }[] {
    const lines = this.#job?.stdout.split("\n") ?? [];
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  }

  /** CPU time its process has taken so far. */
  async cpuMs(): Promise<number> {
    const stat = await this.outside.run(`cat /proc/${this.pid}/stat`);
    // The name of the program, which may hold anything, is in brackets; utime and stime are fields 14 and 15, in 1/100 s.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Closes it while its process stays (embedded only); milliseconds that took. */
  async close(): Promise<number> {
    this.#job?.child.stdin?.write("close\n");
    const closed = await until(`${this.name} is closed`, WORST_CLOSE_MS, () =>
      this.events().find(({ type }) => type === "closed"),
    );
    return (closed as unknown as { ms: number }).ms;
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    if (this.#job === null) await this.inside.run(`ip link delete ${this.name}`);
    else await this.#job.stop();
  }
}

/** Starts what keeps the interface; null for the kernel. */
function start(
  place: Place,
  kind: Kind,
  name: string,
  mtu: number,
  timing: TunnelOptions["timing"],
): Job | null {
  switch (kind) {
    case "embedded": {
      const args = timing === undefined ? [] : [JSON.stringify(timing)];
      return place.start(process.execPath, program, name, String(mtu), ...args);
    }
    case "wireguard-go":
      return place.start("wireguard-go", "-f", name);
    case "kernel":
      // Made at once, so that what is wrong is told by the command that follows.
      place.start("ip", "link", "add", name, "type", "wireguard");
      return null;
  }
}
