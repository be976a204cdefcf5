/**
 * The open connections, never more than so many: who is idle makes room for who comes.
 */
import type { Clock } from "../core/clock.ts";
import type { Connection } from "./connection.ts";

/** Who came just now has not had the time to ask. */
const IDLE_AFTER_MS = 1_000;

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

  /**
   * Serves it, or gives false when there is no room for one more. Callers that only look get half of the places, so that they
   * cannot keep an admin out.
   */
  add(connection: Connection): boolean {
    const limit = this.#options.limit();
    const isAdmin = connection.caller?.role === "admin";
    if (!isAdmin && !this.#makeRoom(limit / 2, (other) => other.caller?.role !== "admin")) return false;
    if (!this.#makeRoom(limit, () => true)) return false;
    const served = connection.serve().finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
    return true;
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
  #makeRoom(limit: number, counts: (connection: Connection) => boolean): boolean {
    // The connections stand in the order they came in.
    const counted = [...this.#connections.keys()].filter(counts);
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
