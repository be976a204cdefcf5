import { join } from "node:path";
import { childRecordPath, pidFilePath, startingPath, stateFilePath } from "../../config/paths.ts";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import {
  AS_ROOT,
  type Check,
  fault,
  type Judgement,
  note,
  ok,
  together,
  unknown,
  warning,
} from "../check.ts";
import type { DoctorHost } from "../host.ts";
import type { Patient } from "../patient.ts";

const SHARED_WRITE = 0o022;
const SHARED_READ = 0o055;
/** Twice the largest file that is kept (daemon/machineWatch.ts warns below that). */
const MIN_FREE_BYTES = 512 * 1024;
/** A log file and its rotation want more. */
const FEW_FREE_BYTES = 16 * 1024 * 1024;

/** What an earlier run left behind. */
export const leftoversCheck: Check = {
  id: "leftovers",
  title: "Leftover files",
  judge(patient, host) {
    const { options, pid, importJournal } = patient;
    const findings: Judgement[] = [];
    if (host.file(importJournal) !== null) {
      const remedy = "start the node, or import again: either finishes it";
      findings.push(warning(`an import was cut off (${importJournal})`, remedy));
    }
    if (pid === null) findings.push(...ofDeadDaemon(patient, host));
    const stale = options.pidFile === null ? null : host.stalePidFile(options.pidFile);
    if (stale !== null && pid === null) findings.push(note(stale, "the next start replaces it"));
    return together(findings, ok("none"));
  },
};

function ofDeadDaemon({ options, socketPath }: Patient, host: DoctorHost): Judgement[] {
  const remedy = "'wgmesh up' clears it away";
  const stalePid = host.stalePidFile(pidFilePath(options));
  const files: [path: string, what: string][] = [
    [socketPath, "a socket that nobody answers"],
    [childRecordPath(options), "the record of a child process"],
    [startingPath(options), "the record of a start"],
    [
      join(options.runDir, `${options.interfaceName}.forwarding.json`),
      "forwarding that was not switched back",
    ],
  ];
  return [
    ...(stalePid === null ? [] : [note(stalePid, remedy)]),
    ...files
      .filter(([path]) => host.file(path) !== null)
      .map(([path, what]) => note(`${what} is left (${path})`, remedy)),
  ];
}

/** Where key, peers and settings are kept. */
export const stateDirectoryCheck: Check = {
  id: "state-directory",
  title: "State directory",
  judge({ options: { stateDir }, pid }, host) {
    const folder = host.file(stateDir);
    if (folder === null) {
      if (pid === null) return note(`${stateDir} is not there yet; the first start makes it`);
      return fault(`${stateDir} is gone though the daemon runs`, `make it again: mkdir -m 700 ${stateDir}`);
    }
    if (folder.kind !== "folder") {
      return fault(`${stateDir} is not a folder`, "move it away, or choose another --state-dir");
    }
    const findings: Judgement[] = [];
    if ((folder.mode & SHARED_WRITE) !== 0) {
      findings.push(
        fault(`${stateDir} can be written by others (${octal(folder.mode)})`, `chmod 700 ${stateDir}`),
      );
    } else if ((folder.mode & SHARED_READ) !== 0) {
      findings.push(
        note(`${stateDir} can be listed by others (${octal(folder.mode)})`, `chmod 700 ${stateDir}`),
      );
    }
    const reason = host.unwritable(stateDir);
    if (reason === "EACCES") return unknown(`${stateDir} is another user's`, AS_ROOT);
    if (reason !== null) {
      findings.push(
        fault(
          `${stateDir} cannot be written (${reason})`,
          "mount it writable, give it to the user that runs wgmeshd, or choose another --state-dir",
        ),
      );
    } else findings.push(room(stateDir, host));
    return together(findings, ok(`${stateDir} can be written and has room`));
  },
};

function room(stateDir: string, host: DoctorHost): Judgement {
  const { freeBytes, inodes, freeInodes } = host.space(stateDir);
  const free = `${Math.floor(freeBytes / 1024)} KiB are free on the disk of ${stateDir}`;
  if (freeBytes < MIN_FREE_BYTES) return fault(free, "delete what is not needed there");
  if (inodes > 0 && freeInodes === 0) {
    return fault(`no inode is free on the disk of ${stateDir}`, "delete files that are not needed there");
  }
  return freeBytes < FEW_FREE_BYTES ? warning(free, "delete what is not needed there") : ok(free);
}

/** The key of the node. */
export const stateFileCheck: Check = {
  id: "state-file",
  title: "Key of the node",
  judge({ options, running }, host) {
    const path = stateFilePath(options);
    if (host.file(path) === null) {
      if (running === null) return note(`${path} is not there yet; the first start makes a key`);
      return fault(
        `${path} is gone: the next start would make another node`,
        "write it again: wgmesh restart",
      );
    }
    if (host.unreadable(path) === "EACCES") return unknown(`${path} is another user's`, AS_ROOT);
    const found = keyIn(path, host);
    if (typeof found !== "string") return found;
    if (running === null || found === running.publicKey) return ok(`${path} is whole`);
    return fault(
      `${path} has another key (${found}) than the daemon`,
      "restore the file from a backup, or restart to become that node",
    );
  },
};

function keyIn(path: string, host: DoctorHost): string | Judgement {
  try {
    return host.publicKeyIn(path);
  } catch (error) {
    if (!(error instanceof WgmeshError)) throw error;
    return fault(error.message, error.hint);
  }
}

/** Peer cache, reload file and kept settings. */
export const nodeFilesCheck: Check = {
  id: "node-files",
  title: "Other files of the node",
  judge({ options: { stateDir } }, host) {
    if (host.file(stateDir) !== null && host.unreadable(stateDir) === "EACCES") {
      return unknown(`${stateDir} is another user's`, AS_ROOT);
    }
    const findings = host
      .badNodeFiles()
      .map((problem) =>
        warning(problem, "mend the file, or remove it: the daemon leaves out what it cannot read"),
      );
    return together(findings, ok("what is there can be read"));
  },
};

/** Whoever reads the secret is a member. */
export const secretCheck: Check = {
  id: "secret",
  title: "Secret",
  judge({ secret, secretFile, running }, host) {
    const findings: Judgement[] = [];
    if (secret !== null && "code" in secret) findings.push(fault(secret.message, secret.hint));
    const mode = secretFile === null ? 0 : modeOf(secretFile, host);
    if ((mode & 0o077) !== 0) {
      findings.push(fault(`${secretFile} can be read by others (${octal(mode)})`, `chmod 600 ${secretFile}`));
    }
    if (secret !== null) return together(findings, ok(secretFile ?? "given, not by a file"));
    if (running !== null) return ok("the daemon has one");
    return unknown("none was given", "give --secret-file FILE to have it checked");
  },
};

function modeOf(path: string, host: DoctorHost): number {
  try {
    return host.file(path)?.mode ?? 0;
  } catch (error) {
    throw new Error(`${path} cannot be looked at: ${messageOf(error)}`, { cause: error });
  }
}

const octal = (mode: number): string => `mode ${(mode & 0o7777).toString(8)}`;
