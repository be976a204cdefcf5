/** All that a daemon could leave behind in the namespace and the folders of its node. */
import { existsSync, readdirSync } from "node:fs";
import { attempt, run } from "../harness/exec.ts";
import type { MeshNode } from "../harness/node.ts";

export interface Traces {
  readonly links: string;
  readonly routes: string;
  readonly rules: string;
  readonly firewall: string;
  readonly forwarding: string;
  readonly listeners: string;
  readonly processes: string;
  readonly files: string;
}

/** Locks stay on purpose (ARCHITECTURE.md, "Owners and locks"). */
const STAYS = /\.lock$/;

async function printed(node: MeshNode, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(["ip", "netns", "exec", node.host.namespace, ...command]);
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout;
}

const linesWithout = (text: string, pattern: RegExp): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !pattern.test(line))
    .sort()
    .join("\n");

const namesOf = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => !STAYS.test(name)) : [];

/** Its own link moves on purpose and is left out. */
export async function tracesOf(node: MeshNode): Promise<Traces> {
  const { namespace } = node.host;
  const [links, routes, rules, rules6, firewall, forwarding, listeners] = await Promise.all([
    printed(node, "ip", "-o", "link", "show"),
    printed(node, "sh", "-c", "ip route show table all; ip -6 route show table all"),
    printed(node, "ip", "rule", "show"),
    printed(node, "ip", "-6", "rule", "show"),
    printed(node, "nft", "list", "ruleset"),
    printed(node, "sh", "-c", "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"),
    printed(node, "ss", "-Hlntu"),
  ]);
  return {
    links: linesWithout(links.replace(/^\d+: (\S+?)[@:].*$/gm, "$1"), /^$/),
    routes: linesWithout(routes, /dev eth0/),
    rules: linesWithout(rules + rules6, /^$/),
    firewall,
    forwarding,
    listeners: linesWithout(listeners, /^$/),
    processes: attempt(["ip", "netns", "pids", namespace]),
    files: [...node.leftovers(), ...namesOf(node.runDir)].join(" "),
  };
}
