import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { MeshSecret } from "@wgmesh/native";

/** Members are named as in vectors.json. */
export type DerivedForTests = Readonly<
  Record<
    | "gossip_key_hex"
    | "wg_psk_hex"
    | "membership_key_hex"
    | "epoch_seed_hex"
    | "mesh_subnet_hex"
    | "mesh_prefix_v6_hex"
    | "multicast_id_hex",
    string
  >
>;

/** Milliseconds, or messages; what is left out is as WireGuard has it. */
export interface EmbeddedTiming {
  readonly rekeyAfterMs?: number;
  readonly rejectAfterMs?: number;
  readonly rekeyTimeoutMs?: number;
  readonly rekeyJitterMs?: number;
  readonly keepaliveTimeoutMs?: number;
  readonly rekeyAfterMessages?: number;
  readonly rejectAfterMessages?: number;
}

interface TestAddon {
  readonly MeshSecret: typeof MeshSecret;
  derivedForTests(secret: MeshSecret): DerivedForTests;
  panicForTests(): void;
  /** WireGuard's constants for embedded devices that are opened from now on; without an argument the usual ones again. */
  setEmbeddedTiming(timing?: EmbeddedTiming): void;
}

/**
 * The addon built by `npm run build:native -- --test`, which tells derived keys. It is loaded as it is, without the face of
 * index.js, so its errors have no `code`.
 */
export function testAddon(): TestAddon {
  const folder = new URL("../../../native/", import.meta.url);
  const name = readdirSync(folder).find((file) => /^wgmesh-test\..*\.node$/.test(file));
  if (name === undefined) throw new Error("no test build of the addon: npm run build:native -- --test");
  return createRequire(import.meta.url)(fileURLToPath(new URL(name, folder))) as TestAddon;
}
