/** All that follows from one secret, in one object: what a node is in one mesh. */
import {
  loadKeptSecret,
  type Membership,
  type MeshSecret,
  PresharedKey,
  saveSecret,
  secretCommitment,
} from "@wgmesh/native";
import { messageOf, WgmeshError } from "../core/errors.ts";
import type { Cidr } from "../core/types.ts";
import { type MeshAddresses, membershipOf, meshAddresses } from "./derivation.ts";

export interface MeshIdentity {
  readonly secret: MeshSecret;
  /** Base64 of SHA-256 of the secret: what announcements of a rotation say. */
  readonly commitment: string;
  readonly parameters: ReturnType<MeshSecret["parameters"]>;
  readonly addresses: MeshAddresses;
  readonly membership: Membership;
  readonly presharedKey: PresharedKey;
}

export function meshIdentity(secret: MeshSecret, operatorSubnet: Cidr | null): MeshIdentity {
  return {
    secret,
    commitment: commitmentOf(secret),
    parameters: secret.parameters(),
    addresses: meshAddresses(secret, operatorSubnet),
    membership: membershipOf(secret),
    presharedKey: PresharedKey.derive(secret),
  };
}

export const commitmentOf = (secret: MeshSecret): string => secretCommitment(secret).toString("base64");

/** The secret of a file that {@link keepSecret} wrote; null when there is none. Throws ERR_SECRET_FILE. */
export function keptSecret(path: string): MeshSecret | null {
  try {
    return loadKeptSecret(path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return null;
    throw new WgmeshError("ERR_SECRET_FILE", messageOf(cause).replace(/^[A-Z_]+: /, ""), { cause });
  }
}

/** Writes it for the owner of the folder alone; at any instant the file is the old one or the new one. Throws ERR_STATE_WRITE. */
export function keepSecret(secret: MeshSecret, path: string): void {
  try {
    saveSecret(secret, path);
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_WRITE", messageOf(cause).replace(/^[A-Z_]+: /, ""), { cause });
  }
}
