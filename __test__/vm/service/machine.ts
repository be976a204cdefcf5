/**
 * The machine of the service's tests: a node under systemd, and beside it, in network namespaces, `far`: another machine with a node and a STUN
 * server, `apart`: a third one that `far` cannot reach, and `host`: one in a network behind the service's node.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { trustedUids } from "../../../src/cli/serviceUser.ts";
import { callOnce } from "../../../src/rpc/client.ts";
import type { MethodName, MethodResults } from "../../../src/rpc/methods/table.ts";

export const HOME = "/usr/lib/wgmesh";
export const UNIT = "wgmesh@wg0.service";
/** Drop-ins of the tests. */
const DROP_INS = `/run/systemd/system/${UNIT}.d`;
export const CONFIG = "/etc/wgmesh/wg0.toml";
export const SECRET = "/srv/secret";
export const NEXT_SECRET = "/srv/next-secret";
/** Behind `far`, on no network of the service's host. */
export const FAR_INTERNET = "198.51.100.7";
/** An emulated processor that others use too. */
const PATIENCE_MS = 120_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function run(...[program, ...args]: [string, ...string[]]): Ran {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  return { code: status, out: stdout, err: stderr };
}

export function good(...words: [string, ...string[]]): string {
  const { code, out, err } = run(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${out}${err}`);
  return out;
}

export const wgmesh = (...args: string[]): string => good("wgmesh", ...args);
export const inNamespace = (namespace: string, ...args: string[]): Ran =>
  run("ip", "netns", "exec", namespace, ...args);
export const shown = (property: string): string =>
  good("systemctl", "show", "--value", "-p", property, UNIT).trim();

type Place = "service" | "far" | "apart";

const socketOf = (place: Place): string =>
  place === "service" ? "/run/wgmesh/wg0.sock" : `/srv/${place}.sock`;

/** As root, who believes a socket of the service's user; without the start of a program, which takes seconds here. */
export const call = <M extends MethodName>(
  method: M,
  params: Readonly<Record<string, unknown>> = {},
  place: Place = "service",
): Promise<MethodResults[M]> =>
  callOnce({ socketPath: socketOf(place), trustedUids: trustedUids(), timeoutMs: 60_000 }, method, params);

export const status = (place: Place = "service") => call("daemon.status", {}, place);

/** The process that answers; null while none does. */
export const answering = (): Promise<number | null> =>
  status().then(
    ({ pid }) => pid,
    () => null,
  );

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`${what}: not within ${PATIENCE_MS / 1000} s\n${lastLines()}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

export const forwards = (link: string): string =>
  readFileSync(`/proc/sys/net/ipv4/conf/${link}/forwarding`, "utf8").trim();
const lastLines = (): string => run("journalctl", "-u", UNIT, "-n", "30", "-o", "cat").out;
/** From the other machine; what goes beyond the mesh has its newest mesh address only when that is said. */
export const pings = (address: string, ...words: string[]): boolean =>
  inNamespace("far", "ping", "-c1", "-W1", ...words, address).code === 0;

/** Policy rules and packet filter tables that are ours, and default routes of any table: none outlives the node. */
export function leftInKernel(): string[] {
  const rules = `${good("ip", "rule")}${good("ip", "-6", "rule")}`.split("\n");
  return [
    ...rules.filter((line) => line.includes("proto 111")),
    ...good("ip", "route", "show", "table", "all")
      .split("\n")
      .filter((line) => line.includes("wg")),
    ...good("nft", "list", "tables")
      .split("\n")
      .filter((line) => line !== ""),
  ];
}

/** Whatever an installation could leave behind. */
export function traces(): string[] {
  const folders = [
    "/etc",
    "/usr/lib/systemd",
    "/var/lib",
    "/var/log",
    "/run/systemd/system",
    "/run/wgmesh",
    "/run/wireguard",
  ];
  const found = run(
    "find",
    ...folders,
    "-not",
    "-path",
    "/var/lib/systemd/*",
    "-not",
    "-path",
    "/var/log/journal/*",
  );
  // userdel keeps the files as they were before beside them, and has a lock; useradd of any package makes the same ones.
  const passing = /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|\.lock$|^\/etc\/\.pwd/;
  return found.out.split("\n").filter((path) => path !== "" && !passing.test(path));
}

const started: ChildProcess[] = [];

/** A process of another machine, which goes on. */
export function startIn(namespace: string, ...words: string[]): void {
  started.push(spawn("ip", ["netns", "exec", namespace, ...words], { stdio: "ignore" }));
}

export function startNode(place: Exclude<Place, "service">, secretFile: string, ...flags: string[]): void {
  const places = [
    "--run-dir",
    `/run/${place}`,
    "--state-dir",
    `/srv/${place}`,
    "--socket-path",
    socketOf(place),
  ];
  const words = ["--iface", place, "--secret-file", secretFile, "--no-dht", "--no-stun", ...places, ...flags];
  startIn(place, "node", `${HOME}/dist/wgmeshd.js`, ...words);
}

export function endOthers(): void {
  for (const child of started) child.kill("SIGKILL");
}

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The configuration as it was installed, and more. */
export function writeConfig(more: Sections): void {
  const all: Sections = {
    ...more,
    discovery: { dht: false, "stun-server": ["10.9.0.2"], ...more.discovery },
    routes: { "advertise-routes": ["10.77.0.0/24"], ...more.routes },
  };
  const texts = Object.entries(all).map(([section, values]) => {
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    return [`[${section}]`, ...lines, ""].join("\n");
  });
  writeFileSync(CONFIG, texts.join("\n"));
}

/** Calls with another text of the configuration, and puts the old one back. */
export async function withConfig(change: (text: string) => string, use: () => Promise<void>): Promise<void> {
  const text = readFileSync(CONFIG, "utf8");
  writeFileSync(CONFIG, change(text));
  try {
    await use();
  } finally {
    writeFileSync(CONFIG, text);
  }
}

/** For a start, or a restart in place, on an emulated machine whose processor others use too: {@link dropIn}. */
export const PATIENT = "WatchdogSec=600\nTimeoutStartSec=600";

/** The unit with these lines too, from now on. */
export function dropIn(name: string, lines: string): void {
  mkdirSync(DROP_INS, { recursive: true });
  writeFileSync(`${DROP_INS}/${name}.conf`, `[Service]\n${lines}\n`);
  good("systemctl", "daemon-reload");
}

export function dropOut(): void {
  rmSync(DROP_INS, { recursive: true });
  good("systemctl", "daemon-reload");
}

/** What the machine had before anything was installed. */
export const before: { traces: string[] } = { traces: [] };
