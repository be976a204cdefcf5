/** The addon's side of the state file (rows B2, B3), with its errors as ours. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageProver, NodeIdentity } from "@wgmesh/native";
import { type ErrorCode, messageOf, WgmeshError } from "../core/errors.ts";

export type { NodeIdentity };

const codes: Readonly<Record<string, ErrorCode>> = {
  STATE_DAMAGED: "ERR_STATE_DAMAGED",
  STATE_UNREADABLE: "ERR_STATE_UNREADABLE",
  STATE_PERMISSIONS: "ERR_STATE_PERMISSIONS",
  STATE_WRITE: "ERR_STATE_WRITE",
};

/**
 * Reads the state file, or makes a key pair in memory when there is none. Throws ERR_STATE_DAMAGED, ERR_STATE_UNREADABLE
 * or ERR_STATE_PERMISSIONS; the file stays as it is.
 */
export function loadNodeIdentity(path: string): NodeIdentity {
  return translated(() => NodeIdentity.load(path));
}

/** A key pair that is in no file and is forgotten with the process: for a question that is asked once. */
export function passingIdentity(): NodeIdentity {
  // The addon makes one in memory for a file that is not there, and writes nothing before `save`.
  return NodeIdentity.load(join(tmpdir(), `wgmesh-${randomUUID()}.json`));
}

/** Writes the state file atomically when it says something else. Throws ERR_STATE_WRITE. */
export function saveNodeIdentity(identity: NodeIdentity, meshIp: string, meshIpv6: string | null): void {
  translated(() => identity.save(meshIp, meshIpv6));
}

/** Proofs with the key of the identity, which stays in the addon. */
export function messageProver(identity: NodeIdentity): MessageProver {
  return new MessageProver(identity);
}

function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const code = codes[String((cause as { code?: unknown }).code)];
    if (code === undefined) throw cause;
    throw new WgmeshError(code, messageOf(cause).replace(/^[A-Z_]+: /, ""), { cause });
  }
}
