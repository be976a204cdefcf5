/** WireGuard interfaces as `wg` sees them: what ours is compared with, in outcome and in time. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { endpointText } from "../../../src/core/types.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";

/** `wg show dump` of 5,000 peers is about 1 MiB. */
const OUTPUT_BYTES = 64 * 1024 * 1024;

export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: OUTPUT_BYTES });
}

export interface DumpedPeer {
  readonly presharedKey: string;
  readonly endpoint: string;
  /** Sorted. */
  readonly allowedIps: readonly string[];
  readonly keepalive: string;
}

/** `wg show <name> dump` by public key. Fails when a key comes twice. */
export function wgDump(name: string): Map<string, DumpedPeer> {
  const [, ...lines] = run("wg", "show", name, "dump").trimEnd().split("\n");
  const peers = new Map<string, DumpedPeer>();
  for (const line of lines) {
    const [publicKey = "", presharedKey = "", endpoint = "", allowed = "", , , , keepalive = ""] =
      line.split("\t");
    const allowedIps = allowed === "(none)" ? [] : allowed.split(",").sort();
    assert.ok(!peers.has(publicKey), `${publicKey} is there twice`);
    peers.set(publicKey, { presharedKey, endpoint, allowedIps, keepalive });
  }
  return peers;
}

/** What `wg` shows of the interface is exactly `wanted`: nothing lost, doubled or left. */
export function assertHolds(name: string, wanted: readonly WantedPeer[]): void {
  const dumped = wgDump(name);
  for (const peer of wanted) {
    const seen = dumped.get(peer.publicKey);
    assert.ok(seen, `${peer.publicKey} was lost`);
    assert.notEqual(seen.presharedKey, "(none)", peer.publicKey);
    assert.deepEqual(
      { ...seen, presharedKey: "" },
      {
        presharedKey: "",
        endpoint: peer.endpoint === null ? "(none)" : endpointText(peer.endpoint),
        allowedIps: [...peer.allowedIps].sort(),
        keepalive: peer.keepaliveSeconds === 0 ? "off" : `${peer.keepaliveSeconds}`,
      },
      peer.publicKey,
    );
    dumped.delete(peer.publicKey);
  }
  assert.deepEqual([...dumped.keys()], [], "peers were left");
}

/** A configuration file for `wg setconf` and `wg syncconf`; the keys in it are made for this one run. */
export class WgConfig {
  readonly #privateKey = run("wg", "genkey").trim();
  readonly #presharedKey = run("wg", "genpsk").trim();

  write(path: string, peers: readonly WantedPeer[]): string {
    const sections = peers.map((peer) => {
      const lines = [
        "[Peer]",
        `PublicKey = ${peer.publicKey}`,
        `PresharedKey = ${this.#presharedKey}`,
        ...(peer.endpoint === null ? [] : [`Endpoint = ${endpointText(peer.endpoint)}`]),
        `AllowedIPs = ${peer.allowedIps.join(", ")}`,
        `PersistentKeepalive = ${peer.keepaliveSeconds}`,
      ];
      return lines.join("\n");
    });
    const text = [`[Interface]\nPrivateKey = ${this.#privateKey}`, ...sections].join("\n\n");
    writeFileSync(path, `${text}\n`, { mode: 0o600 });
    return path;
  }
}
