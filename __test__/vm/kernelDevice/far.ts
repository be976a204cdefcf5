/** A far end behind a veth pair, and pings to it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { answeredInARow } from "../../mesh/harness/pingOutput.ts";
import { addMachine } from "../namespace.ts";
import { run } from "../scale/wg.ts";
import { identity } from "./support.ts";

/** A WireGuard interface `wgfar` (10.77.0.2) in a namespace `far`, 192.0.2.2 on the underlay; its public key. */
export function farNode(port: number, nearPort: number): string {
  const inFar = (...args: string[]) => run("ip", "netns", "exec", "far", ...args);
  addMachine(run, "far", { near: "near0", far: "far0", network: "192.0.2" });
  inFar("ip", "link", "add", "wgfar", "type", "wireguard");
  writeFileSync("/run/far.key", run("wg", "genkey"), { mode: 0o600 });
  const nearPeer = [
    "peer",
    identity.publicKey,
    "endpoint",
    `192.0.2.1:${nearPort}`,
    "allowed-ips",
    "10.77.0.1/32",
  ];
  inFar("wg", "set", "wgfar", "listen-port", `${port}`, "private-key", "/run/far.key", ...nearPeer);
  inFar("ip", "addr", "add", "10.77.0.2/24", "dev", "wgfar");
  inFar("ip", "link", "set", "wgfar", "up");
  return inFar("wg", "show", "wgfar", "public-key").trim();
}

/** Enough to last through many changes. */
const PINGS = 3000;

/** Pings without pause while `meanwhile` is called over and over; how often, and how many answers were missing. */
export async function pinging(
  target: string,
  meanwhile: () => Promise<void>,
): Promise<{ rounds: number; lost: number }> {
  const ping = spawn("ping", ["-n", "-A", "-c", `${PINGS}`, "-w", "600", target], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  ping.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(ping, "close");
  let rounds = 0;
  while (ping.exitCode === null) {
    await meanwhile();
    rounds += 1;
    // Even work that never waits lets the end of ping be seen.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  return { rounds, lost: Math.max(0, PINGS - answeredInARow(said)) };
}
