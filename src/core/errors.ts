/**
 * The one table of errors. Callers match on `code`, never on text.
 *
 * `exitCode` is what a command ends with, `rpcCode` what JSON-RPC answers (the Go peer's codes where it has one,
 * PROTOCOL.md section 15), `hint` says what to do. `--help` prints the exit codes from here.
 */

/** Exit codes, stable across releases; {@link exitCodeMeaning} says what each stands for. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  secret: 3,
  state: 4,
  alreadyRunning: 5,
  notRunning: 6,
  permission: 7,
  system: 8,
  taskFailed: 9,
  notFound: 10,
  unreachable: 11,
  doctorWarning: 12,
  doctorError: 13,
} as const;

/** As `--help` prints them. */
export const exitCodeMeaning: Readonly<Record<keyof typeof ExitCode, string>> = {
  ok: "done",
  failure: "something nobody foresaw; the log has the cause",
  usage: "a flag, variable, argument or line of a file is wrong",
  secret: "the secret is missing, too short, too weak or unreadable",
  state: "a state file is damaged, unreadable or open to others",
  alreadyRunning: "another node holds this interface or its files",
  notRunning: "no daemon answers",
  permission: "a right is missing, such as CAP_NET_ADMIN",
  system: "the system lacks something: /dev/net/tun, a module, a free port, a usable interface",
  taskFailed: "a critical task of the running daemon failed",
  notFound: "the thing asked for, such as a peer, does not exist",
  unreachable: "a peer does not answer, or not by the path that was asked for",
  doctorWarning: "doctor: something should be looked at",
  doctorError: "doctor: something keeps a node from working",
};

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface ErrorKind {
  readonly exitCode: ExitCode;
  readonly rpcCode: number;
  readonly hint: string;
}

const kind = (exitCode: ExitCode, hint: string, rpcCode = -32603): ErrorKind => ({ exitCode, rpcCode, hint });

export const errorTable = {
  ERR_USAGE: kind(ExitCode.usage, "see --help", -32602),
  ERR_NOT_BUILT: kind(ExitCode.usage, "leave the flag out; this release does not have the feature", -32601),
  ERR_INTERFACE_NAME: kind(
    ExitCode.usage,
    "use a letter followed by letters, digits, '_' or '-', 15 characters at most",
  ),
  ERR_PORT: kind(ExitCode.usage, "use a whole number from 1 to 65535"),
  ERR_CIDR: kind(ExitCode.usage, "write a network such as 192.168.10.0/24 or fd00:1::/64"),
  ERR_ENDPOINT: kind(ExitCode.usage, "write host:port, or [IPv6]:port"),
  ERR_CONFIG: kind(ExitCode.usage, "'wgmesh config check' tells all that is wrong at once", -32602),
  ERR_HOOK: kind(
    ExitCode.usage,
    "name a program that only root, or the user of wgmeshd, can write; or leave the option out",
    -32602,
  ),
  ERR_RELOAD: kind(ExitCode.usage, "mend the line and reload again; nothing was changed", -32602),

  ERR_SECRET_MISSING: kind(ExitCode.secret, "give --secret-file FILE, or make a secret with 'wgmesh init'"),
  ERR_SECRET_SHORT: kind(ExitCode.secret, "make a good one with 'wgmesh init'"),
  ERR_SECRET_WEAK: kind(ExitCode.secret, "make a good one with 'wgmesh init', or pass --allow-weak-secret"),
  ERR_SECRET_URI: kind(ExitCode.secret, "a secret URI looks like wgmesh://v1/<text>"),
  ERR_SECRET_FILE: kind(ExitCode.secret, "make it readable by its owner only: chmod 600 FILE"),

  ERR_STATE_DAMAGED: kind(ExitCode.state, "restore it from a backup, or move it away to get a new identity"),
  ERR_STATE_UNREADABLE: kind(ExitCode.state, "check the owner and mode of the file and its folder"),
  ERR_STATE_PERMISSIONS: kind(ExitCode.state, "chmod 600 FILE, and chown it to the user that runs wgmeshd"),
  ERR_BACKUP: kind(ExitCode.state, "name a file that 'wgmesh backup' or 'wgmesh export' made"),
  ERR_BACKUP_PASSWORD: kind(ExitCode.secret, "use the password that the backup was sealed with"),
  ERR_ROTATION: kind(ExitCode.secret, "see how far it is: 'wgmesh rotate-secret --status'", -32602),
  ERR_STATE_WRITE: kind(ExitCode.state, "check free space and the owner of the folder"),
  ERR_LOG_FILE: kind(ExitCode.state, "name a file in a folder that exists and that wgmeshd may write"),
  ERR_LOG_TARGET: kind(
    ExitCode.system,
    "start the service, or log elsewhere: --log-target stderr, or --log-file FILE",
  ),

  ERR_ALREADY_RUNNING: kind(ExitCode.alreadyRunning, "stop it with 'wgmesh down', or choose another --iface"),
  ERR_STATE_IN_USE: kind(ExitCode.alreadyRunning, "give this node a --state-dir of its own"),
  ERR_NOT_RUNNING: kind(ExitCode.notRunning, "start it with 'wgmesh up'"),
  ERR_TIMEOUT: kind(ExitCode.notRunning, "look at the daemon's log"),

  ERR_PERMISSION: kind(ExitCode.permission, "run as root, or with CAP_NET_ADMIN"),
  ERR_NO_TUN: kind(
    ExitCode.system,
    "load the module with 'modprobe tun', or give the container /dev/net/tun",
  ),
  ERR_NO_BACKEND: kind(ExitCode.system, "load the wireguard module, or make /dev/net/tun available"),
  ERR_NO_WIREGUARD_GO: kind(
    ExitCode.system,
    "install it ('apt install wireguard-go' or 'brew install wireguard-go'), or name it with --wireguard-go",
  ),
  ERR_NOT_WIREGUARD: kind(
    ExitCode.system,
    "choose another --iface; wgmesh never touches links it did not make",
  ),
  ERR_NO_PORT: kind(ExitCode.system, "free a UDP port, or choose another --listen-port"),
  ERR_LISTEN_ADDRESS: kind(ExitCode.system, "name an address of this machine with --listen-address"),
  ERR_CONTROL_PORT: kind(
    ExitCode.system,
    "end the program that uses the port; it is derived from the secret and cannot move",
  ),
  ERR_SYSTEM: kind(ExitCode.system, "the message names the operation the kernel refused"),

  ERR_START: kind(ExitCode.failure, "the last lines of its log say more"),

  ERR_TASK_FAILED: kind(ExitCode.taskFailed, "look at the cause in the log"),
  ERR_PEER_UNKNOWN: kind(ExitCode.notFound, "list the peers with 'wgmesh peers list'", -32602),
  ERR_PEER_SILENT: kind(ExitCode.unreachable, "'wgmesh peers get PEER' tells what is known of it"),
  ERR_CLIENT: kind(ExitCode.usage, "see the clients of this node: 'wgmesh client list'", -32602),
  ERR_OPERATION: kind(ExitCode.notFound, "see what is under way: operations.list", -32602),
  ERR_RPC_PARSE: kind(ExitCode.failure, "send one JSON object a line", -32700),
  ERR_RPC_REQUEST: kind(ExitCode.failure, 'send {"jsonrpc":"2.0","id":1,"method":"…"}', -32600),
  ERR_RPC_METHOD: kind(ExitCode.failure, "see docs/rpc.md for the methods", -32601),
  ERR_RPC_PARAMS: kind(ExitCode.failure, "see docs/rpc.md for the parameters", -32602),
  ERR_RPC_AUTH: kind(ExitCode.permission, "give a token that --rpc-tokens of the daemon has", -32001),
  ERR_RPC_ROLE: kind(ExitCode.permission, "call as root, or with a token of the role admin", -32001),
  ERR_NOT_READY: kind(ExitCode.failure, "ask again in a moment", -32603),
  ERR_INTERNAL: kind(ExitCode.failure, "report this with the log"),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Replaces the table's hint when the place knows better. */
  readonly hint?: string;
  /** Replaces the table's exit code with that of another process. */
  readonly exitCode?: ExitCode;
  /** Lines that a person wants to see below the message: the end of a log. */
  readonly detail?: string;
}

/** Every error wgmesh raises on purpose. The message names the thing; `hint` says what to do. */
export class WgmeshError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly exitCode: ExitCode;
  readonly detail: string | null;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WgmeshError";
    this.code = code;
    this.hint = options.hint ?? errorTable[code].hint;
    this.exitCode = options.exitCode ?? errorTable[code].exitCode;
    this.detail = options.detail ?? null;
  }

  get rpcCode(): number {
    return errorTable[this.code].rpcCode;
  }
}

/** The exit code for anything thrown: its own for a WgmeshError, 1 for the rest. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof WgmeshError ? error.exitCode : ExitCode.failure;
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
