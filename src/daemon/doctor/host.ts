/**
 * What the doctor looks at, on this machine.
 */
import { execFile } from "node:child_process";
import { accessSync, closeSync, constants, lstatSync, openSync, statfsSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { textParts } from "../../backup/parts.ts";
import type { DaemonOptions } from "../../config/options.ts";
import { keptSettingsPath, peerCachePath, reloadFilePath } from "../../config/paths.ts";
import { asOwnerOf } from "../../core/asOwner.ts";
import { systemClock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { readSteeringFileSync } from "../../core/files.ts";
import { resolveByDns } from "../../discovery/dnsResolver.ts";
import type { DoctorHost, FileFacts } from "../../doctor/host.ts";
import { parseRuleset } from "../../doctor/ruleset.ts";
import { loadNodeIdentity } from "../../identity/nodeIdentity.ts";
import { stalePidFile } from "../../launch/processes.ts";
import { hostSystem } from "../hostSystem.ts";
import * as os from "../os.ts";
import {
  kernelWireguard,
  legacyTables,
  linkManagers,
  processDescriptors,
  processRights,
  udpHolders,
} from "./proc.ts";
import { askStun } from "./stun.ts";

/** Of a firewall with a hundred thousand addresses in sets. */
const MAX_OUTPUT_BYTES = 64 << 20;

/** First, so that whoever sets `$PATH` for root does not choose the program. */
const USUAL_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin";

/** @param options where the node's files are. */
export function realDoctorHost(options: Pick<DaemonOptions, "interfaceName" | "stateDir">): DoctorHost {
  const isLinux = process.platform === "linux";
  return {
    platform: process.platform,
    wallMs: () => systemClock.wallMs(),
    rights: (pid) =>
      pid === null
        ? { netAdmin: os.hasCapability("CAP_NET_ADMIN"), netRaw: os.hasCapability("CAP_NET_RAW") }
        : processRights(pid),
    deviceError,
    kernelWireguard: () => (isLinux ? kernelWireguard() : null),
    hasProgram,
    udpHolders: () => (isLinux ? udpHolders() : null),
    file,
    unwritable,
    unreadable: (path) => reasonAgainst(path, constants.R_OK),
    space: (path) => {
      const { bavail, bfree, bsize, files, ffree } = statfsSync(path);
      const free = process.geteuid?.() === 0 ? bfree : bavail;
      return { freeBytes: free * bsize, inodes: files, freeInodes: ffree };
    },
    publicKeyIn: (path) => asOwnerOf(dirname(path), () => loadNodeIdentity(path).publicKey),
    badNodeFiles: () => badNodeFiles(options),
    stalePidFile,
    ruleset: async (signal) => parseRuleset(await output("nft", ["--json", "list", "ruleset"], signal)),
    legacyTables: () => (isLinux ? legacyTables() : []),
    links: hostSystem.host.links,
    addresses: hostSystem.host.addresses,
    routes: hostSystem.routes,
    pathTo: hostSystem.pathTo,
    setting: hostSystem.networkSettings.read,
    settingsWritable: () => unwritable("/proc/sys/net/ipv4/conf/default/forwarding") === null,
    resolve: (name, signal) => resolveByDns(name, { signal }),
    askStun,
    clockSynchronised,
    descriptors: processDescriptors,
    linkManagers,
  };
}

function deviceError(path: string): string | null {
  try {
    closeSync(openSync(path, "r+"));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? messageOf(error);
  }
}

function hasProgram(name: string): boolean {
  const paths = isAbsolute(name)
    ? [name]
    : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return paths.some((path) => reasonAgainst(path, constants.X_OK) === null);
}

function file(path: string): FileFacts | null {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return null;
  const { uid, mode } = facts;
  const kind = facts.isFile()
    ? "file"
    : facts.isDirectory()
      ? "folder"
      : facts.isSocket()
        ? "socket"
        : "other";
  return { kind, uid, mode: mode & 0o7777 };
}

function unwritable(path: string): string | null {
  return reasonAgainst(path, constants.W_OK);
}

function reasonAgainst(path: string, wish: number): string | null {
  try {
    accessSync(path, wish);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? messageOf(error);
  }
}

function badNodeFiles(options: Pick<DaemonOptions, "interfaceName" | "stateDir">): string[] {
  const parts = {
    peers: peerCachePath(options),
    reload: reloadFilePath(options),
    settings: keptSettingsPath(options),
  };
  return (Object.keys(parts) as (keyof typeof parts)[]).flatMap((name) => {
    const path = parts[name];
    try {
      const text = asOwnerOf(dirname(path), () => readSteeringFileSync(path));
      const problem = text === null ? null : textParts[name].problem(text, systemClock.wallMs());
      return problem === null ? [] : [`${path}: ${problem}`];
    } catch (error) {
      return [messageOf(error)];
    }
  });
}

/** systemd asks the kernel (adjtimex(2)), whichever time service told it. */
async function clockSynchronised(signal: AbortSignal): Promise<boolean | null> {
  const args = ["show", "--property=NTPSynchronized", "--value"];
  const text = await output("timedatectl", args, signal).catch(() => "");
  const words: Readonly<Record<string, boolean>> = { yes: true, no: false };
  return words[text.trim()] ?? null;
}

/** What a program prints, whatever stands in its way: it is given no input and, of the environment, `$PATH` alone. */
function output(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const env = { PATH: `${USUAL_FOLDERS}:${process.env.PATH ?? ""}`, LC_ALL: "C" };
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { env, signal, maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (error.code === "ENOENT") reject(new Error(`the program ${program} is not installed`));
        else reject(new Error(`${program}: ${stderr.trim().split("\n")[0] || messageOf(error)}`));
      },
    );
    child.stdin?.end();
  });
}
