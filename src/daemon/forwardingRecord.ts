/**
 * `<run-dir>/<iface>.forwarding.json`: the kernel settings a node changed, with their original values.
 */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { asOwnerOf } from "../core/asOwner.ts";
import { WgmeshError } from "../core/errors.ts";
import { readSteeringFileSync, writeFileAtomic } from "../core/files.ts";
import type { Change, ForwardingRecord } from "../mesh/forwarding.ts";

/** What may be written back: a damaged or forged record must not set other parts of the kernel. */
const SETTING = /^ipv[46]\/conf\/[^/]+\/(?:forwarding|accept_ra)$/;
const VALUE = /^\d$/;

export function forwardingRecord(path: string): ForwardingRecord {
  return {
    load: async () => {
      // Root may undo what the service did, whose user owns the folder (daemon/leftovers.ts).
      const text = asOwnerOf(dirname(path), () => readSteeringFileSync(path));
      return text === null ? null : parseRecord(text, path);
    },
    save: (changes) => writeFileAtomic(path, JSON.stringify(changes, null, 2), 0o600),
    remove: () => rm(path, { force: true }),
  };
}

function parseRecord(text: string, path: string): Record<string, Change> {
  try {
    const parsed = JSON.parse(text) as Record<string, Change>;
    const valid = Object.entries(parsed).every(
      ([setting, { from, to }]) => SETTING.test(setting) && VALUE.test(from) && VALUE.test(to),
    );
    if (valid) return parsed;
  } catch {
    // Falls through to the one error below.
  }
  throw new WgmeshError("ERR_STATE_DAMAGED", `${path} is damaged`, {
    hint: "remove it, and check net.ipv4.conf.*.forwarding and net.ipv6.conf.*.forwarding by hand",
  });
}
