/**
 * Where a node keeps each part of a backup, and how its text is checked and compared.
 */
import { join } from "node:path";
import { parseConfigText } from "../config/configFile.ts";
import type { DaemonOptions } from "../config/options.ts";
import {
  clientsPath,
  keptSettingsPath,
  peerCachePath,
  reloadFilePath,
  stateFilePath,
} from "../config/paths.ts";
import { parseReloadFile } from "../config/reload.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { decodePeerCache } from "../peers/cacheFile.ts";
import { decodeClients } from "../peers/clientsFile.ts";
import { clientChanges, lineChanges, peerChanges } from "./differences.ts";
import type { PartName } from "./partNames.ts";

/** Absolute paths. */
export type Places = Readonly<Record<PartName, string>>;

/** @param configFile the one in use, or where one would be looked for first. */
export function placesOf(
  options: Pick<DaemonOptions, "interfaceName" | "stateDir">,
  configFile: string,
): Places {
  return {
    identity: stateFilePath(options),
    peers: peerCachePath(options),
    clients: clientsPath(options),
    reload: reloadFilePath(options),
    settings: keptSettingsPath(options),
    config: configFile,
  };
}

/** Says which parts of an import have been staged, so that an import that was cut off is finished (commit.ts). */
export function journalPath({
  interfaceName,
  stateDir,
}: Pick<DaemonOptions, "interfaceName" | "stateDir">): string {
  return join(stateDir, `${interfaceName}.import.json`);
}

/** What is needed to know of a part that is text. */
interface TextPart {
  /** What is wrong with a text that a node is to read; null when it is right. */
  problem(text: string, nowMs: number): string | null;
  /** What changes from one text to the other, for a person. */
  changes(before: string, after: string, nowMs: number): string[];
}

const settingsPart = (kind: "file" | "kept"): TextPart => ({
  problem: (text) => parseConfigText(text, kind, kind).problems[0]?.message ?? null,
  changes: lineChanges,
});

export const textParts: Readonly<Record<Exclude<PartName, "identity">, TextPart>> = {
  peers: {
    problem: (text, nowMs) => decodePeerCache(text, nowMs).problem,
    changes: peerChanges,
  },
  clients: {
    problem: (text) => {
      try {
        decodeClients(text);
        return null;
      } catch (error) {
        return messageOf(error);
      }
    },
    changes: clientChanges,
  },
  reload: {
    problem: (text) => {
      try {
        parseReloadFile(text, "reload");
        return null;
      } catch (error) {
        if (error instanceof WgmeshError) return error.message;
        throw error;
      }
    },
    changes: lineChanges,
  },
  settings: settingsPart("kept"),
  config: settingsPart("file"),
};
