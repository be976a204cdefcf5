/**
 * Keys of clients, devices of plain WireGuard, for the command line that shows them once: texts, since a person or a picture carries
 * them to the device. The daemon never calls this.
 */
import { dirname } from "node:path";
import { generateKeyPair, writeTextQr } from "@wgmesh/native";
import { asOwnerOf } from "../core/asOwner.ts";
import { WgmeshError } from "../core/errors.ts";
import type { PublicKey } from "../core/types.ts";
import { loadNodeIdentity, type NodeIdentity } from "./nodeIdentity.ts";

export { writeTextQr };

export interface KeyPair {
  /** Base64, 44 characters, as `wg genkey` prints it. */
  readonly privateKey: string;
  readonly publicKey: PublicKey;
}

/** A new key pair, which is kept nowhere. */
export const newKeyPair = (): KeyPair => generateKeyPair() as KeyPair;

/** The node's key pair, for {@link presharedKeyFor}. */
export type GatewayKey = Pick<NodeIdentity, "exportClientPresharedKey">;

/**
 * Reads the state file of a running node, whose public key is known. Throws ERR_PERMISSION when this user may not read it,
 * ERR_STATE_UNREADABLE, ERR_STATE_DAMAGED, ERR_STATE_PERMISSIONS.
 */
export function openGatewayKey(stateFile: string, publicKey: string): GatewayKey {
  const identity = read(stateFile);
  if (identity.publicKey === publicKey) return identity;
  throw new WgmeshError(
    "ERR_STATE_UNREADABLE",
    `${stateFile} is not the state file of the daemon that answers`,
    {
      hint: "run it on the machine, and in the container, of that daemon",
    },
  );
}

/** Base64. It follows from the two keys, and is stored nowhere. */
export const presharedKeyFor = (gateway: GatewayKey, client: string): string =>
  gateway.exportClientPresharedKey(client);

function read(stateFile: string): NodeIdentity {
  let identity: NodeIdentity;
  try {
    identity = asOwnerOf(dirname(stateFile), () => loadNodeIdentity(stateFile));
  } catch (cause) {
    if (process.geteuid?.() === 0) throw cause;
    throw notAllowed(stateFile, cause);
  }
  // One that is not there gives a new key pair. The folder hides it from who may not look into it.
  if (identity.created && process.geteuid?.() !== 0) throw notAllowed(stateFile, undefined);
  return identity;
}

const notAllowed = (stateFile: string, cause: unknown): WgmeshError =>
  new WgmeshError(
    "ERR_PERMISSION",
    `cannot read the node's key in ${stateFile}, from which the client's preshared key follows`,
    { cause, hint: "run it as root" },
  );
