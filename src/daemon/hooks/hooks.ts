/**
 * The hooks of a node (row G10): when they run, with what, and what becomes of one that fails. The node goes on in any case.
 */
import type { DaemonOptions } from "../../config/options.ts";
import { messageOf } from "../../core/errors.ts";
import { checkTrustedProgram } from "../../core/trustedProgram.ts";
import type { NodeParts } from "../parts.ts";
import type { HookEnd } from "./run.ts";

export type HookKind = "up" | "down";

/** What a hook is told, as its environment has it. */
export interface HookFacts {
  readonly interfaceName: string;
  readonly meshIp: string;
  readonly meshIpv6: string | null;
  readonly meshNetwork: string;
  readonly listenPort: number;
  readonly backend: string;
  /** Null when the interface is gone. */
  readonly mtu: number | null;
}

export interface HooksOptions extends Pick<NodeParts, "clock" | "log" | "troubles"> {
  readonly options: Pick<DaemonOptions, "upHook" | "downHook">;
  /** Asked before each run. */
  readonly facts: () => HookFacts;
  readonly upLimitMs: number;
  readonly downLimitMs: number;
}

/** How long a handover waits for an up hook that still runs: the successor would not begin it again. */
const HANDOVER_PATIENCE_MS = 5_000;

const never = new AbortController().signal;

export class Hooks {
  readonly #options: HooksOptions;
  /** Ends the up hook that runs. */
  #stop = new AbortController();
  /** The up hooks, one after another; never rejects. */
  #up: Promise<void> = Promise.resolve();

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /** Begins the up hook, after the one that still runs; returns at once. */
  up(hurry: AbortSignal): void {
    const { upLimitMs } = this.#options;
    const stop = this.#stop.signal;
    this.#up = this.#up.then(() => (stop.aborted ? undefined : this.#run("up", upLimitMs, stop, hurry)));
  }

  /** Ends the up hook if it still runs, and runs the down hook to its end, within its limit and the 2 s of ending it. */
  async down(hurry: AbortSignal): Promise<void> {
    const { clock, downLimitMs } = this.#options;
    const startMs = clock.monotonicMs();
    await this.#endUp();
    const leftMs = downLimitMs - (clock.monotonicMs() - startMs);
    if (!hurry.aborted) await this.#run("down", Math.max(0, leftMs), never, hurry);
  }

  /** Before a handover: no hook runs, and none is left running for a successor that does not know of it. */
  async leave(hurry: AbortSignal): Promise<void> {
    const cancel = this.#options.clock.after(HANDOVER_PATIENCE_MS, () => this.#stop.abort());
    if (hurry.aborted) this.#stop.abort();
    await this.#up;
    cancel();
  }

  async #endUp(): Promise<void> {
    this.#stop.abort();
    await this.#up;
  }

  async #run(kind: HookKind, limitMs: number, stop: AbortSignal, hurry: AbortSignal): Promise<void> {
    const { options, clock, log, troubles, facts } = this.#options;
    const program = kind === "up" ? options.upHook : options.downHook;
    if (program === null) return;
    const startMs = clock.monotonicMs();
    try {
      // It may have been changed since the start.
      checkTrustedProgram(program, `--${kind}-hook`, [0, process.geteuid?.() ?? 0]);
      // Loaded only now: without hooks nothing that starts processes is.
      const { runHook } = await import("./run.ts");
      log.info({ hook: kind, path: program }, "hook begins");
      const end = await runHook({
        ...{ program, limitMs, clock, stop, hurry },
        environment: environmentOf(kind, facts()),
        onLine: (output) => log.info({ hook: kind, output }, "hook says"),
      });
      if (end.unheard > 0) log.info({ hook: kind, lines: end.unheard }, "hook says more than is logged");
      const durationMs = Math.round(clock.monotonicMs() - startMs);
      if (end.failure === null) {
        if (kind === "up") troubles.clear(UP_TROUBLE);
        log.info({ hook: kind, durationMs }, "hook done");
        return;
      }
      log.warn({ hook: kind, path: program, reason: reasonOf(end), durationMs }, "hook failed");
      if (!stop.aborted) this.#tell(kind, `${kind} hook ${program} failed: ${reasonOf(end)}`);
    } catch (error) {
      log.warn({ hook: kind, path: program, reason: messageOf(error) }, "hook failed");
      this.#tell(kind, messageOf(error));
    }
  }

  /** Of a down hook nobody could see it any more. */
  #tell(kind: HookKind, what: string): void {
    if (kind === "up") this.#options.troubles.raise(UP_TROUBLE, `${what}; ${remedy}`);
  }
}

const UP_TROUBLE = "up-hook";
const remedy = "mend it, and run it by hand or end and start the node ('wgmesh down', 'wgmesh up')";

function reasonOf({ failure, lastLine }: HookEnd): string {
  return lastLine === null ? `${failure}` : `${failure}, last it said: ${lastLine}`;
}

/** All that a hook gets; nothing of the daemon's own environment, in which a secret may be. */
export function environmentOf(kind: HookKind, facts: HookFacts): Record<string, string> {
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    WGMESH_HOOK: kind,
    WGMESH_INTERFACE: facts.interfaceName,
    WGMESH_MESH_IP: facts.meshIp,
    WGMESH_MESH_IPV6: facts.meshIpv6 ?? "",
    WGMESH_MESH_NETWORK: facts.meshNetwork,
    WGMESH_LISTEN_PORT: String(facts.listenPort),
    WGMESH_BACKEND: facts.backend,
    WGMESH_MTU: facts.mtu === null ? "" : String(facts.mtu),
  };
}
