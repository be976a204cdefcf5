/** A node of the churn, what it should be at each moment, and what can happen to it. */
import type { Random } from "../../../src/core/random.ts";
import { calm } from "../harness/calm.ts";
import { must } from "../harness/exec.ts";
import type { Lab } from "../harness/lab.ts";
import type { MeshNode, StatusJson } from "../harness/node.ts";
import { allowanceMs, isEmulated, nowMs, until } from "../harness/time.ts";
import { type Traces, tracesOf } from "./traces.ts";

export const happenings = ["kill", "goodbye", "restart", "move", "route"] as const;
export type Happening = (typeof happenings)[number] | "start";

export function oneOf<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random.unit() * values.length)];
  if (value === undefined) throw new Error("nothing to choose from");
  return value;
}

/** `killed` ended without a word, `gone` said goodbye. */
export type Life = "live" | "killed" | "gone";

export class Churned {
  readonly node: MeshNode;
  readonly number: number;
  /** What it has in its namespace while no daemon runs. */
  readonly before: Promise<Traces>;
  life: Life = "gone";
  /** How often it has begun. */
  run = 0;
  networks: readonly string[] = [];
  status: StatusJson | null = null;
  /** Who was not there to hear its goodbye: such a node has it in its file of peers, and tells of it for as long as that is young. */
  missedBy: ReadonlySet<Churned> = new Set();
  #startedAtMs = 0;
  #endedAtMs = 0;
  #address: string;
  #moves = 0;

  constructor(lab: Lab, number: number) {
    this.number = number;
    this.node = lab.addNode(`n${number}`, { flags: calm });
    this.#address = this.node.host.address;
    this.before = tracesOf(this.node);
  }

  get name(): string {
    return this.node.name;
  }

  get known(): StatusJson {
    if (this.status === null) throw new Error(`${this.name} never ran`);
    return this.status;
  }

  /** Does it, and waits until the node itself is done with it; the others may need longer. */
  async happen(what: Happening, random: Random): Promise<string> {
    switch (what) {
      case "start":
        return this.start();
      case "kill":
        await this.node.kill9();
        this.life = "killed";
        return "killed";
      case "goodbye":
        return this.#leave();
      case "restart":
        return oneOf(random, [() => this.#restart(), () => this.#killAndStart()])();
      case "move":
        return this.#move();
      case "route":
        return this.#route(random);
    }
  }

  /** Its end is to be remembered: `live` were there. */
  noteEnd(all: readonly Churned[]): void {
    this.#endedAtMs = nowMs();
    this.missedBy = new Set(all.filter((other) => other !== this && other.life !== "live"));
  }

  /** True when it cannot know that `other` has left: it began after that, and somebody live has not heard of it. */
  mayRemember(other: Churned, live: readonly Churned[]): boolean {
    return this.#startedAtMs > other.#endedAtMs && live.some((node) => other.missedBy.has(node));
  }

  async start(): Promise<string> {
    this.#startedAtMs = nowMs();
    this.run += 1;
    this.status = await this.node.startAndWait();
    this.life = "live";
    return "started";
  }

  async #leave(): Promise<string> {
    const end = await this.node.stop();
    this.life = "gone";
    if (end.code !== 0) throw new Error(`${this.name} ended with ${end.code ?? end.signal}`);
    return "said goodbye";
  }

  /** In place: the same process begins again. */
  async #restart(): Promise<string> {
    const { node } = this;
    if (isEmulated) {
      // `wgmesh restart` has no patience with such a machine.
      const since = node.log.length;
      await node.rpc("daemon.restart");
      await until(`${this.name} is ready again`, allowanceMs(3_000), () =>
        node.findLog(({ text }) => text.includes("wgmeshd is ready"), since),
      );
    } else {
      const { code, stderr } = await node.client("restart");
      if (code !== 0) throw new Error(`${this.name}: wgmesh restart: ${stderr}`);
    }
    this.#startedAtMs = nowMs();
    this.run += 1;
    this.status = await this.node.untilRunning();
    return "restarted in place";
  }

  async #killAndStart(): Promise<string> {
    await this.node.kill9();
    await this.start();
    return "killed and started";
  }

  async #move(): Promise<string> {
    // Addresses below 100 are those that nodes begin with.
    const next = `192.0.2.${100 + this.number * 16 + (this.#moves++ % 16)}`;
    const inside = ["ip", "-n", this.node.host.namespace];
    must([...inside, "address", "delete", `${this.#address}/24`, "dev", "eth0"]);
    must([...inside, "address", "add", `${next}/24`, "dev", "eth0"]);
    this.#address = next;
    return `moved to ${next}`;
  }

  async #route(random: Random): Promise<string> {
    const all = [0, 1, 2].map((index) => `10.99.${this.number * 8 + index}.0/24`);
    const others = all.filter(() => random.unit() < 0.5);
    const next = others.join() === this.networks.join() ? all.slice(0, 3 - others.length) : others;
    this.networks = next;
    const value = next.join(",");
    const { code, stderr } = await this.node.client("config", "set", "advertise-routes", value, "--keep");
    if (code !== 0) throw new Error(`${this.name}: config set advertise-routes ${value}: ${stderr}`);
    return `advertises ${value || "nothing"}`;
  }

  /** What it left behind, in words; it must have ended. */
  async leftBehind(): Promise<string[]> {
    const before = await this.before;
    let found: string[] = [];
    // The kernel closes what a process had open after it has told of its end.
    await until(`${this.name} leaves nothing behind`, allowanceMs(100), async () => {
      const now = await tracesOf(this.node);
      const keys = Object.keys(before) as (keyof Traces)[];
      found = keys
        .filter((key) => now[key] !== before[key])
        .map((key) => `${this.name}: ${key}: ${now[key]}`);
      return found.length === 0;
    }).catch(() => {});
    return found;
  }
}
