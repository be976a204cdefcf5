/** Secrets for many meshes on one host. */
import { createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Lab } from "../../harness/lab.ts";
import { forwardedPorts } from "../kinds.ts";

const taken = new Set<number>();

const secretIn = (file: string): string => readFileSync(file, "utf8").trim().replace("wgmesh://v1/", "");

/** Under which id the mesh meets in the DHT in that hour since 1970 (PROTOCOL.md section 2), 40 hex digits. */
export const hourlyId = (file: string, hour: number): string =>
  createHash("sha256")
    .update(`${secretIn(file)}||${hour}`)
    .digest("hex")
    .slice(0, 40);

/** The control port that follows from a secret (PROTOCOL.md section 2). */
function controlPort(file: string): number {
  const bytes = Buffer.from(
    hkdfSync("sha256", secretIn(file), new Uint8Array(32), "wgmesh-gossip-port-v1", 2),
  );
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
