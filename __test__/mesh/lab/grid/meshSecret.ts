/** Secrets for many meshes on one host. */
import { hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Lab } from "../../harness/lab.ts";
import { forwardedPorts } from "../kinds.ts";

const taken = new Set<number>();

/** The control port that follows from a secret (PROTOCOL.md section 2). */
function controlPort(file: string): number {
  const secret = readFileSync(file, "utf8").trim().replace("wgmesh://v1/", "");
  const bytes = Buffer.from(hkdfSync("sha256", secret, new Uint8Array(32), "wgmesh-gossip-port-v1", 2));
  return 51_821 + (bytes.readUInt16BE(0) % 1000);
}

/** A secret whose control port is that of no other mesh here, and none of the ports WireGuard may have. */
export function separateSecretFile(lab: Lab, name: string): string {
  for (;;) {
    const file = lab.newSecretFile(name);
    const port = controlPort(file);
    if (port <= forwardedPorts.to || taken.has(port)) continue;
    taken.add(port);
    return file;
  }
}
