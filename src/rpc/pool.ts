/**
 * The open connections, never more than so many: who is idle makes room for who comes.
 */
import type { Clock } from "../core/clock.ts";
import type { Caller } from "./caller.ts";
import type { Connection } from "./connection.ts";

/** Who came just now has not had the time to ask. */
const IDLE_AFTER_MS = 1_000;

/** Parts of all places, that callers who only look may have, one of them, and those who have shown no token yet. */
const LOOKERS = 1 / 2;
const OF_ONE_LOOKER = 1 / 8;
const STRANGERS = 1 / 4;

export interface PoolOptions {
  readonly clock: Clock;
  /** Asked each time: fewer while the process lacks descriptors. */
  readonly limit: () => number;
}

export class ConnectionPool {
  readonly #options: PoolOptions;
  /** Each open connection with the promise of its end. */
  readonly #connections = new Map<Connection, Promise<void>>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Serves it, or gives false when there is no room for one more. */
  add(connection: Connection): boolean {
    if (!this.hasRoomFor(connection.caller)) return false;
    const served = connection.serve().finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
    return true;
  }

  /**
   * Whether such a caller may come in, after the one idle for longest was ended, where that was needed. Asked again for a caller who
   * shows a token: before that he is nobody, and may be an admin. However many only look, and however many of them follow, a
   * quarter of the places is left to admins.
   */
  hasRoomFor(caller: Caller | null): boolean {
    const limit = this.#options.limit();
    if (caller === null) {
      return (
        this.#makeRoom(limit * STRANGERS, (other) => other === null) && this.#makeRoom(limit, () => true)
      );
    }
    if (caller.role === "admin") return this.#makeRoom(limit, () => true);
    return (
      this.#makeRoom(limit * OF_ONE_LOOKER, (other) => isSame(other, caller)) &&
      this.#makeRoom(limit * LOOKERS, (other) => other?.role === "readonly") &&
      this.#makeRoom(limit, () => true)
    );
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Ends those that the test picks. */
  end(picks: (connection: Connection) => boolean): void {
    for (const connection of this.#connections.keys()) if (picks(connection)) connection.destroy();
  }

  /** Lets calls in flight finish, for so long. */
  async close(deadlineMs: number): Promise<void> {
    for (const connection of this.#connections.keys()) connection.finish();
    await new Promise<void>((resolve) => {
      // A destroyed socket does not end a method that hangs: that one is left to its own call time.
      const cancel = this.#options.clock.after(deadlineMs, () => {
        this.end(() => true);
        resolve();
      });
      void Promise.all(this.#connections.values()).then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** True once fewer than `limit` of those counted are open: the one idle for longest goes, when one is. */
  #makeRoom(limit: number, counts: (caller: Caller | null) => boolean): boolean {
    // The connections stand in the order they came in.
    const counted = [...this.#connections.keys()].filter(({ caller }) => counts(caller));
    if (counted.length < limit) return true;
    let longest: Connection | null = null;
    for (const connection of counted) {
      const idleMs = connection.idleMs();
      if (idleMs >= IDLE_AFTER_MS && idleMs > (longest?.idleMs() ?? 0)) longest = connection;
    }
    if (longest === null) return false;
    this.#connections.delete(longest);
    longest.destroy();
    return true;
  }
}

/** The same user, or the same token. */
function isSame(one: Caller | null, other: Caller): boolean {
  if (one?.role !== other.role) return false;
  return one.kind === "token"
    ? other.kind === "token" && other.name === one.name
    : other.kind === "socket" && other.uid === one.uid;
}
