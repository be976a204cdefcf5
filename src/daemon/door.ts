/**
 * The door to the daemon (row F9): `open`, `serve`, `close` and `doctor`, and no more. A test holds it to these
 * (`__test__/unit/layout/structure.test.ts`).
 */
import type { DaemonOptions } from "../config/options.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { compose, type Start } from "./compose.ts";
import type { GuardedLink } from "./interfaceGuard.ts";
import type { MeshNode } from "./meshNode.ts";

export type { Start } from "./compose.ts";
export { type DoctorReport, doctor } from "./doctor/doctor.ts";

/** After `wgmesh restart`: the caller is to become a daemon with the same options, whose `handover` is true. */
export interface Succession {
  /** Of the interface that was left, for the successor; null when none was. */
  readonly guard: GuardedLink | null;
  /** When there will be no successor: what was left is removed. Gives the error to end with. */
  failed(cause: unknown): unknown;
}

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
   * Until the node ends: by a signal or by `wgmesh down` (it resolves to null), by `wgmesh restart`, or (then it rejects) by the failure of
   * a critical task.
   */
  async serve(): Promise<Succession | null> {
    const node = this.#node;
    if ((await node.serve()) === "ended") return null;
    return { guard: node.left, failed: (cause) => node.handoverFailed(cause) };
  }

  /** Ends the node in order; safe to call at any time. */
  async close(): Promise<void> {
    await this.#node.close();
  }
}
