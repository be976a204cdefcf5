/**
 * An exclusive flock on a file that is made when missing (0600) and never removed or renamed. Keep the object: a lock that is
 * collected is given back. No child inherits it.
 */
export class FileLock {
  private constructor();

  /** The lock, or null when another process holds it. Errors: those of open(2). */
  static tryAcquire(path: string): FileLock | null;

  /** Gives the lock back; the file stays. */
  release(): void;
}

/** A name held in this network namespace, by an abstract Unix socket: gone when the process, or the object, is. Linux. */
export class NamespaceLock {
  private constructor();

  /** The lock, or the PID of the process that holds the name (0 when it cannot be told). `name` has 1 to 100 bytes. Errors: `EINVAL`. */
  static tryAcquire(name: string): NamespaceLock | number;

  /** Gives the name back. */
  release(): void;
}

/**
 * Datagrams to a log service of this machine, by the path of its socket. Not connected: each goes to whoever has the path now, so a
 * service that starts anew is reached again. The descriptor is closed with the object.
 */
export class LogSocket {
  private constructor();

  /** Errors: those of connect(2) when nobody could take a datagram there now, such as `ENOENT`, `ECONNREFUSED`. */
  static open(path: string): LogSocket;

  /** Never waits: false when there is no room at the receiver. Errors: those of sendto(2), `EMSGSIZE` for more than fits into a datagram. */
  send(bytes: Uint8Array): boolean;

  /**
   * The same in a sealed file in memory whose descriptor is sent, as journald takes it. Some milliseconds for megabytes. Errors: also those of
   * memfd_create(2), `ENOSYS` on macOS.
   */
  sendAsFile(bytes: Uint8Array): boolean;
}

/** Who is at the other end of a Unix socket. */
export interface PeerCredentials {
  /** Process id, at the time it connected. */
  pid: number;
  /** User id. */
  uid: number;
  /** Group id. */
  gid: number;
}

/** Who connected a Unix socket: SO_PEERCRED, on macOS LOCAL_PEERPID. Errors: `EBADF`, `ENOTSOCK`, `ENOTCONN`. */
export function peerCredentials(fd: number): PeerCredentials;

/** Keeps a socket to one link (SO_BINDTODEVICE, on macOS IP_BOUND_IF). Linux needs CAP_NET_RAW when it is bound to another already. Errors: `ENODEV`, `EPERM`. */
export function bindToDevice(fd: number, linkName: string): void;

/**
 * Tells the service manager (sd_notify(3)): lines such as `READY=1`. False when $NOTIFY_SOCKET is not set. Never waits.
 *
 * Errors: `EAGAIN` when the manager's queue is full, `ENOENT` and the like when it is gone.
 */
export function sdNotify(state: string): boolean;

/** prctl(PR_SET_DUMPABLE, 0): from now on no core dump, no ptrace and no look into /proc/PID/mem by the same user. On macOS no core dump. */
export function setNonDumpable(): void;

/**
 * From now on no child inherits a descriptor, also none that this process inherited itself, but for the standard streams and those
 * that are named when it is started.
 */
export function keepDescriptors(): void;

/** SIGTTIN, SIGTTOU and SIGTSTP are ignored from now on: a daemon has no terminal that could stop it. */
export function ignoreTerminalStops(): void;

/**
 * The process becomes another program (execve(2)), with the same PID: its threads end, and its descriptors are closed but for `kept`.
 * Name the standard streams among them: Node.js marks its own to be closed.
 *
 * @param args - the first is the program's name for itself.
 * @param environment - `NAME=value`, all of it.
 *
 * Does not return. Errors: those of execve(2), `EBADF` for a number in `kept` that is not open, `EINVAL` for a text with a NUL;
 * the process goes on then.
 */
export function replaceProcess(
  program: string,
  args: readonly string[],
  environment: readonly string[],
  kept: readonly number[],
): never;

/** A process that watches over a link; see {@link guardLink}. */
export interface LinkGuard {
  /** The link is removed when every process has closed it. Not inherited, unless {@link replaceProcess} keeps it. */
  readonly fd: number;
  /** The watching process, a child of this one. */
  readonly pid: number;
}

/**
 * From now on the link of that index is removed when this process dies, by whatever: also between the two programs of
 * {@link replaceProcess}, when none of them can catch a signal. Whoever has `fd` then ends it. The child makes system calls alone. Linux; needs
 * `CAP_NET_ADMIN`.
 *
 * @param index - 1 and up.
 *
 * Errors: those of fork(2), `ENOSYS` elsewhere.
 */
export function guardLink(index: number): LinkGuard;

/**
 * Ends the guard and closes its descriptor: the link is kept, or removed now. Waits for the child, usually for under a millisecond.
 *
 * Errors: `EBADF` for a guard that has ended, `ETIMEDOUT` (5 s) when another process has its descriptor too, `ENOSYS`.
 */
export function endLinkGuard(guard: LinkGuard, keepLink: boolean): void;

/** Whether the effective set of the process has the capability, e.g. `CAP_NET_ADMIN`; on macOS, whether it is root. Errors: `EINVAL` for an unknown name. */
export function hasCapability(name: string): boolean;

/** Version of this package. */
export const version: string;
