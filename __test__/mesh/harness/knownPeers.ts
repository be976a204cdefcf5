/** The peer cache that a run leaves which knew a thousand peers. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { MeshNode } from "./node.ts";

export const KNOWN_PEERS = 1_000;

/** All seen just now, in the network of `meshIp`, at addresses that are nobody's (RFC 5737). The node must not run. */
export function leaveKnownPeers(node: MeshNode, meshIp: string): void {
  const subnet = meshIp.split(".").slice(0, 2).join(".");
  const seconds = Math.floor(Date.now() / 1000);
  const peers = Array.from({ length: KNOWN_PEERS }, (_, index) => ({
    wg_pubkey: randomBytes(32).toString("base64"),
    hostname: `host-${index}`,
    mesh_ip: `${subnet}.${100 + (index >> 8)}.${index & 255}`,
    endpoint: `192.0.2.${100 + (index % 100)}:${20_000 + index}`,
    last_seen: seconds,
  }));
  const text = JSON.stringify({ peers, updated_at: seconds });
  writeFileSync(path.join(node.stateDir, "wg0-peers.json"), text, { mode: 0o600 });
}
