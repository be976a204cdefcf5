/**
 * The door to the daemon (row F9): all that the command line sees of it.
 */
import type { DaemonOptions } from "../config/options.ts";
import { ExitCode } from "../core/errors.ts";
import type { MeshSecret } from "../identity/derivation.ts";
import { compose } from "./compose.ts";
import type { ConfigurationSource } from "./liveConfiguration.ts";
import type { MeshNode } from "./meshNode.ts";

export { netCheckAlone } from "./netCheckAlone.ts";
export { type TestPeerResult, testPeer } from "./testPeer.ts";

export class Daemon {
  readonly #node: MeshNode;

  private constructor(node: MeshNode) {
    this.#node = node;
  }

  /**
   * Starts a node. Rejects with a WgmeshError that has the exit code, nothing left behind. A signal during the start ends it
   * in order: it resolves then, and `serve` returns at once. `warnings` become log lines. `configuration` is
   * where the options come from, for `config show` and for a reload that reads it again.
   */
  static async open(
    options: DaemonOptions,
    secret: MeshSecret,
    warnings: readonly string[] = [],
    configuration?: ConfigurationSource,
  ): Promise<Daemon> {
    const node = compose(options, secret, warnings, configuration);
    await node.open();
    return new Daemon(node);
  }

  /** Until the node ends: by a signal, by `wgmesh down`, or (then it rejects) by the failure of a critical task. */
  async serve(): Promise<ExitCode> {
    await this.#node.serve();
    return ExitCode.ok;
  }

  /** Ends the node in order; safe to call at any time. */
  async close(): Promise<void> {
    await this.#node.close();
  }
}
