/** How the tests of the doctor look at a node, and what they do to its machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterEach, beforeAll, expect } from "vitest";
import type { DoctorReport } from "../../../src/daemon/doctor/doctor.ts";
import { ended, must } from "../harness/exec.ts";
import { clientProgram, type MeshNode } from "../harness/node.ts";
import { useLab } from "../harness/useLab.ts";

export const lab = useLab();
export const flags = ["--no-dht", "--no-stun"];
/** Never runs but where a test says so. */
export const still = lab.addNode("still", { flags });
export const live = lab.addNode("live", { flags });
export const stunHost = lab.addHost("stun");
export const proved = new Set<string>();

export interface Look {
  /** A shell script around the doctor, in a mount namespace of its own; `"$@"` is the doctor. */
  readonly within?: string;
  /** `WGMESH_*` variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly node?: MeshNode;
}

export interface Seen {
  readonly code: number | null;
  readonly severity: string;
  readonly seen: string;
  readonly remedy: string | null;
}

export async function look(
  id: string,
  { within = "", env = {}, args = [], node = still }: Look = {},
): Promise<Seen> {
  const place = ["--iface", node.iface, "--run-dir", node.runDir, "--state-dir", node.stateDir];
  const doctor = [process.execPath, clientProgram, "doctor", "--json", "--check", id, ...place, ...args];
  const script = within.includes('"$@"') ? within : `${within}${within === "" ? "" : " && "}exec "$@"`;
  const { code, stdout, stderr } = await node.exec(["sh", "-c", script, "sh", ...doctor], { env });
  if (stdout === "") throw new Error(`doctor --check ${id}: exit ${code}: ${stderr}`);
  const { checks } = JSON.parse(stdout) as DoctorReport;
  const [found] = checks;
  if (found === undefined || checks.length !== 1) throw new Error(`doctor --check ${id}: ${stdout}`);
  return { code, severity: found.severity, seen: found.seen, remedy: found.remedy };
}

const EXIT_CODES: Readonly<Record<string, number>> = { warning: 12, error: 13 };

/** What the doctor sees while something is wrong: how bad, and in which words. */
export async function finds(id: string, severity: string, seen: RegExp, how: Look = {}): Promise<string> {
  const found = await look(id, how);
  expect(found).toMatchObject({
    severity,
    seen: expect.stringMatching(seen),
    code: EXIT_CODES[severity] ?? 0,
  });
  expect(found.remedy ?? "").toMatch(severity === "note" ? /.*/ : /\w+ \S+/);
  return found.remedy ?? "";
}

export async function isClean(id: string, how: Look = {}): Promise<void> {
  expect(await look(id, how)).toMatchObject({ severity: "ok", remedy: null, code: 0 });
  proved.add(id);
}

export const inStill = (...command: string[]): string =>
  must(["ip", "netns", "exec", still.host.namespace, ...command]);
export const sh = (script: string): string => inStill("sh", "-c", script);

export const children: ChildProcess[] = [];

/** A program that holds a UDP port of the still node; resolves when it does. */
export async function holdPort(port: number): Promise<ChildProcess> {
  const script = `require("node:dgram").createSocket("udp4").bind(${port}, () => console.log("bound"))`;
  const child = spawn("ip", ["netns", "exec", still.host.namespace, process.execPath, "-e", script]);
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

export async function end(child: ChildProcess): Promise<void> {
  const gone = ended(child);
  child.kill("SIGKILL");
  await gone;
}

export interface Parameters {
  readonly gossip_port: number;
  readonly mesh_subnet: string;
}

export const secret = ["--secret-file", lab.secretFile];

export async function parameters(): Promise<Parameters> {
  const { stdout } = await still.client("status", "--json", ...secret);
  return JSON.parse(stdout) as Parameters;
}

beforeAll(() => {
  sh("ip route add default via 192.0.2.254");
});

afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) await end(child);
});
