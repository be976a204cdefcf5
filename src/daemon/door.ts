/**
 * The door to the daemon (row F9): all that the command line sees of it.
 */
import type { DaemonOptions } from "../config/options.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { compose, type Start } from "./compose.ts";
import type { GuardedLink } from "./interfaceGuard.ts";
import type { MeshNode } from "./meshNode.ts";

export type { Start } from "./compose.ts";
export { type DoctorReport, doctor } from "./doctor/doctor.ts";
export { netCheckAlone } from "./netCheckAlone.ts";
export { lockStateFiles } from "./stateLock.ts";
export { type TestPeerResult, testPeer } from "./testPeer.ts";

export class Daemon {
  readonly #node: MeshNode;

  private constructor(node: MeshNode) {
    this.#node = node;
  }

  /**
   * Starts a node. Rejects with a WgmeshError that has the exit code, nothing left behind. A signal during the start ends it
   * in order: it resolves then, and `serve` returns at once.
   */
  static async open(options: DaemonOptions, secret: MeshSecret, start: Start = {}): Promise<Daemon> {
    const node = compose(options, secret, start);
    await node.open();
    return new Daemon(node);
  }

  /**
   * Until the node ends: by a signal, by `wgmesh down`, or (then it rejects) by the failure of a critical task. After `wgmesh restart` it
   * resolves to "handed over": the caller is to become a daemon with the same options, whose `handover` is true.
   */
  serve(): Promise<"ended" | "handed over"> {
    return this.#node.serve();
  }

  /** After "handed over": the guard of the interface that was left, which the successor is given. */
  get left(): GuardedLink | null {
    return this.#node.left;
  }

  /** After "handed over", when there will be no successor: what was left is removed. Gives the error to end with. */
  handoverFailed(cause: unknown): unknown {
    return this.#node.handoverFailed(cause);
  }

  /** Ends the node in order; safe to call at any time. */
  async close(): Promise<void> {
    await this.#node.close();
  }
}
