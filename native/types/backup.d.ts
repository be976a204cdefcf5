/**
 * What seals a backup: a handle. The password stays in native memory and is zeroised when the handle is collected; `String()`,
 * `JSON.stringify()` and `console.log()` show `BackupPassword([redacted])`.
 */
export class BackupPassword {
  private constructor();

  /**
   * Reads a regular file or pipe of at most 64 KiB, without the line end.
   *
   * Errors: those of open(2); `PASSWORD_FILE` (others than owner and root can read or write it); `PASSWORD_EMPTY`.
   */
  static fromFile(path: string): BackupPassword;

  /** Reads a descriptor to its end and leaves it open. Blocks until the writer closes it. Errors: `PASSWORD_EMPTY`. */
  static fromFd(fd: number): BackupPassword;

  /**
   * Asks on /dev/tty with echo off; blocks until the line is entered.
   *
   * @param again - asks a second time by this question, for a password that is new.
   *
   * Errors: `ENXIO` without a terminal; `PASSWORD_EMPTY`; `PASSWORD_DIFFERS`.
   */
  static fromPrompt(question: string, again?: string): BackupPassword;

  /** Always `BackupPassword([redacted])`. */
  toString(): string;

  /** Always `BackupPassword([redacted])`. */
  toJSON(): string;
}

/** What may be known of the identity in a backup. */
export interface BackupIdentity {
  /** Base64, 44 characters. */
  publicKey: string;
  /** Pinned IPv4. */
  meshIp?: string;
  /** Pinned IPv6. */
  meshIpv6?: string;
}

/**
 * Files of a node as the parts of one JSON document (`"format": "wgmesh-backup"`, `"version": 1`), sealed with a password where one is
 * given (PROTOCOL.md section 14: PBKDF2-HMAC-SHA256, AES-256-GCM). A handle: the private key of the part `identity` stays in native memory.
 */
export class NodeBackup {
  private constructor();

  /** An empty one. `facts` is a JSON object of public members such as a date. Errors: `EINVAL`. */
  static create(facts: string): NodeBackup;

  /**
   * Reads a backup of at most 32 MiB and checks it. Opening a sealed one takes some tens of milliseconds.
   *
   * Errors: those of open(2); `BACKUP_SEALED` (no password was given), `BACKUP_PASSWORD` (it does not open it), `BACKUP_DAMAGED`,
   * `BACKUP_VERSION`; `STATE_PERMISSIONS` (not sealed, and others can read or change it).
   */
  static read(path: string, password?: BackupPassword): NodeBackup;

  /** Whether the file is sealed. Errors: those of open(2). */
  static isSealed(path: string): boolean;

  /** The public members, a JSON object. */
  readonly facts: string;

  /** Names of the parts, in their order. */
  readonly parts: string[];

  /** Adds a part; text that is a JSON object stands in the document as that. Errors: `EINVAL` for the name `identity`. */
  addText(name: string, text: string): void;

  /**
   * Adds a state file as the part `identity`; false when there is no such file.
   *
   * Errors: those of {@link NodeIdentity.load}.
   */
  addIdentity(path: string): boolean;

  /** A part's text; null when there is none of that name. Errors: `EINVAL` for the name `identity`. */
  text(name: string): string | null;

  /** What may be known of the part `identity`; null without it. */
  identity(): BackupIdentity | null;

  /** Writes the part `identity` as a new file with mode 0600. Errors: `EINVAL` without it; `STATE_WRITE`, also for a name that is taken. */
  writeIdentity(path: string): void;

  /** Writes the document with mode 0600, whole or not at all, in place of what was there. Errors: `STATE_WRITE`. */
  write(path: string, password?: BackupPassword): void;

  /** Writes the document to a descriptor, which stays open. Errors: those of write(2). */
  print(fd: number, password?: BackupPassword): void;

  /** Always `NodeBackup([redacted])`. */
  toString(): string;

  /** Always `NodeBackup([redacted])`. */
  toJSON(): string;
}
