/** The addon's side of backups (row G6): keys and passwords stay in it. Errors are ours. */
import { BackupPassword, NodeBackup } from "@wgmesh/native";
import { type ErrorCode, messageOf, WgmeshError } from "../core/errors.ts";

export type { BackupPassword, NodeBackup };

const STDIN = 0;
const STDOUT = 1;

const codes: Readonly<Record<string, ErrorCode>> = {
  BACKUP_SEALED: "ERR_BACKUP_PASSWORD",
  BACKUP_PASSWORD: "ERR_BACKUP_PASSWORD",
  PASSWORD_EMPTY: "ERR_BACKUP_PASSWORD",
  PASSWORD_DIFFERS: "ERR_BACKUP_PASSWORD",
  PASSWORD_FILE: "ERR_BACKUP_PASSWORD",
  STATE_DAMAGED: "ERR_STATE_DAMAGED",
  STATE_UNREADABLE: "ERR_STATE_UNREADABLE",
  STATE_PERMISSIONS: "ERR_STATE_PERMISSIONS",
  STATE_WRITE: "ERR_STATE_WRITE",
  ENXIO: "ERR_BACKUP_PASSWORD",
};

const hints: Readonly<Record<string, string>> = {
  BACKUP_SEALED: "give --password-file FILE, or run it on a terminal to be asked",
  PASSWORD_EMPTY: "use one that nobody guesses",
  PASSWORD_DIFFERS: "type the same password twice",
  PASSWORD_FILE: "make it readable by its owner only: chmod 600 FILE",
  ENXIO: "give --password-file FILE: there is no terminal to ask on",
  BACKUP_VERSION: "use a newer wgmesh",
};

/** The password of a file, or of standard input for `-`. Throws ERR_BACKUP_PASSWORD, ERR_BACKUP. */
export function passwordFrom(file: string): BackupPassword {
  return translated(() => (file === "-" ? BackupPassword.fromFd(STDIN) : BackupPassword.fromFile(file)));
}

/** Asks on the terminal; twice for one that is `fresh`. Throws ERR_BACKUP_PASSWORD. */
export function askPassword(fresh: boolean): BackupPassword {
  const question = "Password of the backup: ";
  return translated(() =>
    fresh ? BackupPassword.fromPrompt(question, "Once more: ") : BackupPassword.fromPrompt(question),
  );
}

/** @param facts public members, such as a date. */
export function newBackup(facts: object): NodeBackup {
  return translated(() => NodeBackup.create(JSON.stringify(facts)));
}

/** False when there is no state file. Throws ERR_STATE_*. */
export function addIdentity(backup: NodeBackup, stateFile: string): boolean {
  return translated(() => backup.addIdentity(stateFile));
}

/** Throws ERR_BACKUP when the file cannot be read. */
export function isSealed(path: string): boolean {
  return translated(() => NodeBackup.isSealed(path));
}

/** Throws ERR_BACKUP, ERR_BACKUP_PASSWORD, ERR_STATE_PERMISSIONS. */
export function readBackup(path: string, password: BackupPassword | null): NodeBackup {
  return translated(() => NodeBackup.read(path, password ?? undefined));
}

/** Writes the part `identity` to a file that does not exist yet. Throws ERR_STATE_WRITE. */
export function writeIdentity(backup: NodeBackup, path: string): void {
  translated(() => backup.writeIdentity(path));
}

/** Throws ERR_STATE_WRITE. */
export function writeBackup(backup: NodeBackup, path: string, password: BackupPassword | null): void {
  translated(() => backup.write(path, password ?? undefined));
}

/** To standard output. Throws ERR_BACKUP. */
export function printBackup(backup: NodeBackup, password: BackupPassword | null): void {
  translated(() => backup.print(STDOUT, password ?? undefined));
}

function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const native = (cause as { code?: unknown }).code;
    if (typeof native !== "string") throw cause;
    const hint = hints[native];
    throw new WgmeshError(codes[native] ?? "ERR_BACKUP", messageOf(cause).replace(/^[A-Z_]+: /, ""), {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
