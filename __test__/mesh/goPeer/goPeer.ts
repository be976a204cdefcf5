/** The independent peer of this folder as a process. */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { ended } from "../harness/exec.ts";
import type { MeshNode } from "../harness/node.ts";
import { allowanceMs, until } from "../harness/time.ts";

/** A command that runs one of its scripts. */
export const goPeerProgram = (script: string): string[] => [
  "/usr/bin/python3",
  "-B",
  path.join(import.meta.dirname, script),
];

export interface RunningGoPeer {
  readonly key: string;
  readonly mesh_ip: string;
  readonly mesh_ipv6: string;
}

export interface GoStatus {
  readonly peers: Readonly<Record<string, { methods: string[]; endpoint: string; networks: string[] }>>;
  readonly handshakes: Readonly<Record<string, number>>;
  /** Source address to datagrams its limiter dropped. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly own_host: string;
  readonly unknown_members: string[];
  readonly rejected: number;
  readonly opened: number;
}

/** The independent peer as a process. It borrows the namespace and the mount of a MeshNode that is never started. */
export class GoPeer {
  readonly place: MeshNode;
  readonly events: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;
  readonly exit: Promise<unknown>;

  /** `found`: addresses its DHT would find. */
  constructor(place: MeshNode, secretFile: string, ...found: readonly string[]) {
    this.place = place;
    const script = [...goPeerProgram("peer.py"), secretFile, place.host.folder, "wg0", ...found];
    const [file = "", ...args] = place.command(...script);
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.exit = ended(this.#child);
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      this.events.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
    });
  }

  event<T>(name: string, since = 0): Promise<T> {
    return until(`the Go peer says "${name}"`, allowanceMs(1500), () =>
      this.events.slice(since).find(({ event }) => event === name),
    ) as Promise<T>;
  }

  status(): Promise<GoStatus> {
    const since = this.events.length;
    this.#child.stdin?.write("status\n");
    return this.event<GoStatus>("status", since);
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.exit;
  }
}
