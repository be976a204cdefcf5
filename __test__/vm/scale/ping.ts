/** A tunnel to a namespace beside the VM's own, and a flood ping through it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { addressAdd, linkSetUp } from "@wgmesh/native";
import type { Cidr, PublicKey } from "../../../src/core/types.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";
import { answeredInARow } from "../../mesh/harness/pingOutput.ts";
import { note } from "../cases.ts";
import { addMachine } from "../namespace.ts";
import { nodes, stepsOf } from "./population.ts";
import type { Subject } from "./subject.ts";
import { assertHolds, run } from "./wg.ts";

const NAMESPACE = "scalefar";
const OUR_ADDRESS = "172.31.0.1";
const THEIR_ADDRESS = "172.31.0.2";
const THEIR_PORT = 51_999;
const PINGS = 3_000;
const PRIVATE_KEY = "/run/scalefar.key";
const PRESHARED_KEY = "/run/scalefar.psk";

/** One ping floods through a peer until it has its count while all others come, move and go, over and over. */
export async function pingWhileOthersChange(subject: Subject, others: number): Promise<void> {
  linkSetUp(subject.name);
  addressAdd(subject.name, `${OUR_ADDRESS}/24`);
  const ourKey = run("wg", "show", subject.name, "public-key").trim();
  try {
    const far = farPeer(ourKey, subject);
    await subject.sync([far]);
    run("ping", "-q", "-c", "1", "-w", "60", THEIR_ADDRESS);

    const ping = spawn("ping", ["-n", "-A", "-c", `${PINGS}`, "-w", "600", THEIR_ADDRESS], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    ping.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(ping, "close");
    // Quiet ones: with a keepalive each would start a handshake to nowhere.
    const quiet = nodes(others).map((peer) => ({ ...peer, keepaliveSeconds: 0 }));
    let steps = 0;
    while (ping.exitCode === null || steps < 5) {
      for (const { wanted } of stepsOf(quiet)) {
        await subject.sync([far, ...wanted]);
        steps += 1;
      }
      assertHolds(subject.name, [far, ...(stepsOf(quiet).at(-1)?.wanted ?? [])]);
    }
    await ended;
    const answered = answeredInARow(said);
    note(`${answered} pings answered without a gap during ${steps} changes of ${others} other peers`);
    assert.ok(answered >= PINGS, said.slice(-500));
  } finally {
    run("ip", "netns", "del", NAMESPACE);
  }
}

/** Makes the other end: `wgfar` in a namespace of its own, behind a veth pair. */
function farPeer(ourKey: string, subject: Subject): WantedPeer {
  const inFar = (...args: string[]) => run("ip", "netns", "exec", NAMESPACE, ...args);
  addMachine(run, NAMESPACE, { near: "scalenear0", far: "scalefar0", network: "172.30.0" });
  inFar("ip", "link", "add", "wgfar", "type", "wireguard");
  writeFileSync(PRIVATE_KEY, run("wg", "genkey"), { mode: 0o600 });
  subject.presharedKey.save(PRESHARED_KEY);
  const own = ["listen-port", `${THEIR_PORT}`, "private-key", PRIVATE_KEY];
  const endpoint = `172.30.0.1:${subject.backend.listenPort()}`;
  const peer = ["preshared-key", PRESHARED_KEY, "endpoint", endpoint, "allowed-ips", `${OUR_ADDRESS}/32`];
  inFar("wg", "set", "wgfar", ...own, "peer", ourKey, ...peer);
  for (const file of [PRIVATE_KEY, PRESHARED_KEY]) rmSync(file);
  inFar("ip", "addr", "add", `${THEIR_ADDRESS}/24`, "dev", "wgfar");
  inFar("ip", "link", "set", "wgfar", "up");
  return {
    publicKey: inFar("wg", "show", "wgfar", "public-key").trim() as PublicKey,
    endpoint: { host: "172.30.0.2", port: THEIR_PORT },
    allowedIps: [`${THEIR_ADDRESS}/32` as Cidr],
    keepaliveSeconds: 0,
  };
}
