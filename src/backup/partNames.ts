/**
 * The parts of a backup by name.
 */

/** All, in the order in which they stand in a backup. The DHT's nodes are no part: they are found again in seconds. */
export const PARTS = ["identity", "peers", "clients", "reload", "settings", "config"] as const;
export type PartName = (typeof PARTS)[number];

/** What a backup says of itself (make.ts). */
export const FACTS: readonly string[] = ["made_at", "wgmesh", "interface"];

export const partMeaning: Readonly<Record<PartName, string>> = {
  identity: "key pair and mesh addresses",
  peers: "peers of the last run",
  clients: "devices of plain WireGuard that it lets in",
  reload: "reload file",
  settings: "kept settings",
  config: "configuration file",
};
