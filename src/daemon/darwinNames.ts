/**
 * macOS calls tunnels `utun` and a number, whatever the operator calls his interface. wireguard-go writes the name it got into
 * `<folder>/<interface>.name` (as wg-quick does), and the addon removes that file with the interface.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SUFFIX = ".name";

export interface InterfaceNames {
  /** What the kernel calls the interface; the same name when nothing else is known. */
  kernelName(interfaceName: string): string;
  /** What the operator calls the kernel's link; the same name for a link that is not wgmesh's. */
  ownName(linkName: string): string;
}

/** @param folder the folder to use in place of wireguard-go's (tests). */
export function interfaceNames(folder = "/var/run/wireguard"): InterfaceNames {
  const readName = (file: string): string | null => {
    try {
      const name = readFileSync(join(folder, file), "utf8").trim();
      return /^utun\d+$/.test(name) ? name : null;
    } catch {
      return null;
    }
  };
  const files = (): string[] => {
    try {
      return readdirSync(folder).filter((file) => file.endsWith(SUFFIX));
    } catch {
      return [];
    }
  };
  return {
    kernelName: (interfaceName) => readName(interfaceName + SUFFIX) ?? interfaceName,
    ownName: (linkName) => {
      // Only these are renamed, and the folder is read for no other.
      if (!linkName.startsWith("utun")) return linkName;
      const file = files().find((candidate) => readName(candidate) === linkName);
      return file?.slice(0, -SUFFIX.length) ?? linkName;
    },
  };
}
