/**
 * Kernel network settings through /proc/sys/net, so that no `sysctl` process is started (row A2).
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkSettings } from "../mesh/forwarding.ts";

/** @param root the folder to use in place of /proc/sys/net (tests). */
export function procSettings(root = "/proc/sys/net"): NetworkSettings {
  return {
    read(setting) {
      try {
        return readFileSync(join(root, setting), "utf8").trim();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      }
    },
    write: (setting, value) => writeFileSync(join(root, setting), value),
    links(family) {
      try {
        return readdirSync(join(root, family, "conf")).filter((name) => name !== "all" && name !== "default");
      } catch (error) {
        // A host without IPv6 has no such folder.
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    },
  };
}
