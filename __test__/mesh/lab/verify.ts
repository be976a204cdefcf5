/** Is a router of the kind it is meant to be? Asked of it from outside, before it is used. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { run } from "../harness/exec.ts";
import type { Host } from "../harness/lab.ts";
import type { Internet } from "./internet.ts";
import { type Dependence, forwardedPorts, type Kind, kindOf } from "./kinds.ts";
import { stunPort } from "./servers.ts";
import { program, type Site } from "./site.ts";

type Endpoint = readonly [host: string, port: number];

/** What stun.py prints. */
export interface Findings {
  readonly mapping: Dependence | "none";
  /** Null when nobody asked. */
  readonly filtering: Dependence | null;
  readonly local: Endpoint;
  /** As seen by the server, by its second address, and by another port of that. */
  readonly seen: readonly [Endpoint, Endpoint, Endpoint];
}

export interface StunQuestion {
  /** The local port; 0 or absent for any. */
  readonly port?: number;
  /** False leaves filtering out, which takes seconds where answers are dropped. */
  readonly filtering?: boolean;
}

/** Asks a STUN server from a host. */
export async function askStun(host: Host, server: string, question: StunQuestion = {}): Promise<Findings> {
  const args = [server, String(stunPort), String(question.port ?? 0)];
  const command = [...program("stun.py"), ...args, ...(question.filtering === false ? ["--mapping"] : [])];
  const { code, stdout, stderr } = await run(["ip", "netns", "exec", host.namespace, ...command]);
  if (code !== 0) throw new Error(`no answer to STUN in ${host.namespace}: ${stderr}`);
  return JSON.parse(stdout) as Findings;
}

export async function verifyKind(internet: Internet, site: Site): Promise<void> {
  const kind: Kind = kindOf(site.kind);
  const [host] = site.hosts;
  const server = internet.servers.stun[0]?.[0];
  if (host === undefined || server === undefined) throw new Error(`site ${site.name} has no host`);
  const fail = (what: string): never => {
    throw new Error(`site ${site.name} is not of kind ${site.kind} (${kind.what}): ${what}`);
  };

  // Only the forwarded port shows a forward.
  const port = site.kind === "S" ? forwardedPorts.to : 0;
  const { mapping, filtering, seen } = await askUntilOfKind(host, server, port, kind);
  if (mapping !== kind.mapping) fail(`mapping is ${mapping}: ${JSON.stringify(seen)}`);
  if (filtering !== kind.filtering) fail(`filtering is ${filtering}`);
  if (seen.some(([address]) => address !== site.address))
    fail(`not from ${site.address}: ${JSON.stringify(seen)}`);
  const ports = seen.map(([, seenPort]) => seenPort);
  const countedUp = ports.every((value, index) => index === 0 || value === (ports[index - 1] ?? 0) + 1);
  if (countedUp !== (kind.userspace?.ports === "sequential")) fail(`ports ${ports.join(", ")}`);

  // What comes to the outer router is for that to drop or keep.
  if (kind.earlyPacket === undefined || (site.isNested && site.kind !== "MM")) return;
  const kept = await keepsPortAfterEarlyPacket(internet, site, host);
  if (kept !== (kind.earlyPacket === "dropped"))
    fail(`an early packet ${kept ? "is dropped" : "takes the port"}`);
}

/** An answer that came too late, on a busy machine, looks like one that was filtered away: so the last of a few tries counts. */
async function askUntilOfKind(host: Host, server: string, port: number, kind: Kind): Promise<Findings> {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    const found = await askStun(host, server, { port });
    if (found.filtering === kind.filtering || triesLeft === 1) return found;
  }
}

const pokedPort = 47_000;
/** Each poke comes from a port of its own: several routers may be looked at at once. */
let nextPokerPort = 47_001;

/** Sends to the router's port from outside, then from that port inside to the sender: does the sender see the same port? */
async function keepsPortAfterEarlyPacket(internet: Internet, site: Site, host: Host): Promise<boolean> {
  const outside = internet.outsideHost();
  const pokerPort = nextPokerPort++;
  const args = [site.address, String(pokedPort), String(pokerPort)];
  const child = spawn("ip", ["netns", "exec", outside.namespace, ...program("poke.py"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) {
    if (line === "poked") {
      const sent = [...program("poke.py"), outside.address, String(pokerPort), String(pokedPort), "--once"];
      await run(["ip", "netns", "exec", host.namespace, ...sent]);
    } else {
      return Number(line) === pokedPort;
    }
  }
  throw new Error(`nothing came out of ${site.name}`);
}
