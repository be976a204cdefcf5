/**
 * One node from its start to its end: what the rest calls the daemon.
 */
import { configurationOf } from "../config/configuration.ts";
import { reloadFilePath } from "../config/paths.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { Operations } from "../core/operations.ts";
import type { Discovery } from "../discovery/seams.ts";
import { isConnected } from "../peers/connected.ts";
import type { RpcServer } from "../rpc/daemonView.ts";
import { audited, processActor } from "./auditTrail.ts";
import type { GuardedLink } from "./interfaceGuard.ts";
import { type RunningNode, startNode } from "./lifecycle.ts";
import { LiveConfiguration, type ReloadOutcome } from "./liveConfiguration.ts";
import { liveAppliers } from "./liveSettings.ts";
import { defaultTiming, type NodeParts } from "./parts.ts";
import type { Rotation } from "./rotation/rotation.ts";
import { calmNotify, SignsOfLife } from "./serviceManager.ts";
import { StepRunner } from "./stepRunner.ts";
import { Supervisor } from "./supervisor.ts";
import { warnings } from "./views/status.ts";
import { nodeView } from "./views/view.ts";
import { WarningWatch } from "./warningWatch.ts";

export class MeshNode {
  readonly #parts: NodeParts;
  readonly #steps: StepRunner;
  readonly #supervisor: Supervisor;
  readonly #notify: (state: string) => void;
  #discovery: Discovery | null = null;
  #rpcServer: RpcServer | null = null;
  #rotation: Rotation | null = null;
  #closing: Promise<void> | null = null;
  #started = false;
  #failure: WgmeshError | null = null;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { clock, log, signals, progress } = parts;
    this.#steps = new StepRunner(clock, log, signals.stopSignal, (name) => progress?.step(name));
    this.#notify = calmNotify((state) => parts.system.notify(state), log);
    this.#supervisor = new Supervisor(parts.clock, parts.log.child({ module: "tasks" }), parts.events);
  }

  /** Before `open`. A node without discovery knows only the peers of its cache. */
  setDiscovery(discovery: Discovery): void {
    this.#discovery = discovery;
  }

  /** Before `open`. */
  setRpcServer(rpcServer: RpcServer): void {
    this.#rpcServer = rpcServer;
  }

  /** Before `open`: the one of the parts. */
  setRotation(rotation: Rotation): void {
    this.#rotation = rotation;
  }

  /**
   * Starts the node. Rejects with the cause when a step fails, everything before it undone. Resolves too when a signal ends
   * the startup: `serve` returns at once then.
   */
  async open(): Promise<void> {
    const { log, options, version, system, clock, signals, events, audit, managed, handover } = this.#parts;
    const startedAtMs = clock.monotonicMs();
    log.info({ interfaceName: options.interfaceName, version, pid: system.pid }, "wgmeshd starts");
    try {
      system.setNonDumpable();
      // The one before this one in the same process may have taken its time.
      if (managed !== undefined && handover) this.#notify("WATCHDOG=1");
      const layers = { discovery: this.#discovery, rpcServer: this.#rpcServer };
      const node = await startNode(this.#parts, layers, this.#steps, this.#supervisor);
      await this.#startServing(node, startedAtMs);
    } catch (error) {
      const leftover = await this.close().then(
        () => null,
        (failure: unknown) => failure,
      );
      if (!signals.stopSignal.aborted) throw this.#told(error);
      if (leftover !== null) throw leftover;
      log.info({ reason: messageOf(error) }, "startup ended by a signal");
      return;
    }
    this.#parts.progress?.remove();
    this.#notify("READY=1");
    const durationMs = Math.round(clock.monotonicMs() - startedAtMs);
    log.info({ durationMs }, "wgmeshd is ready");
    events.emit("node.ready", { data: { version, duration_ms: durationMs } });
    audit.note({
      action: "daemon.start",
      actor: processActor(system.pid),
      params: { version },
      outcome: "ok",
    });
    this.#started = true;
  }

  /**
   * Runs until a signal, `wgmesh down`, `wgmesh restart` (it resolves to "handed over" then, and the caller starts the successor), or
   * the failure of a critical task, and closes. Rejects with that failure, or with
   * what could not be removed at the end.
   */
  async serve(): Promise<"ended" | "handed over"> {
    const cause = await Promise.race([this.#stopRequested(), this.#supervisor.criticalFailure]);
    this.#failure = cause;
    if (cause === null) {
      await this.close();
      return this.#parts.signals.handsOver ? "handed over" : "ended";
    }
    // What was left behind is in the log; the cause counts more.
    await this.close().catch(() => {});
    throw this.#told(cause);
  }

  /** The guard of the interface that was left, for the successor. */
  get left(): GuardedLink | null {
    return this.#parts.guard.left;
  }

  /** After a handover that no successor came of: what was left is removed. Gives what the process ends with. */
  handoverFailed(cause: unknown): unknown {
    const { guard } = this.#parts;
    const what = guard.left === null ? "" : "; the interface was removed";
    guard.removeLeft();
    return this.#told(
      new WgmeshError("ERR_SYSTEM", `the program could not be started again: ${messageOf(cause)}${what}`, {
        cause,
        hint: "mend the installation of Node.js and wgmesh, and start it again with 'wgmesh up'",
      }),
    );
  }

  /** Where nobody sees standard error, the log has to say why the daemon ends. */
  #told(error: unknown): unknown {
    const { log, logsElsewhere } = this.#parts;
    const code = error instanceof WgmeshError ? error.code : "ERR_INTERNAL";
    if (logsElsewhere) log.error({ code, reason: messageOf(error) }, "wgmeshd ends with an error");
    return error;
  }

  /** The orderly end of row C4. Later calls wait for the first. Rejects with ERR_SYSTEM when something was left behind. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { signals, log, events, audit } = this.#parts;
    log.info({}, signals.handsOver ? "wgmeshd hands over to its successor" : "wgmeshd stops");
    events.emit("node.stopping");
    this.#auditStop();
    this.#notify(signals.handsOver ? "RELOADING=1" : "STOPPING=1");
    const failures = await this.#steps.unwind(signals.hurrySignal);
    this.#parts.progress?.remove();
    // Somebody may have wanted the end after it was left.
    if (!signals.handsOver) this.#parts.guard.removeLeft();
    signals.close();
    audit.close();
    // A successor takes over whatever is there: without it, what a full disk did not take would cost the node its life.
    if (failures.length > 0 && !signals.handsOver) {
      const left = failures.map(({ step, reason }) => `${step}: ${reason}`).join("; ");
      throw new WgmeshError("ERR_SYSTEM", `not everything could be removed: ${left}`);
    }
    log.info({}, "wgmeshd stopped");
  }

  async #startServing(node: RunningNode, startedAtMs: number): Promise<void> {
    const { signals, machine } = this.#parts;
    machine.memory.follow((isAbove) => node.store.admitStrangers(!isAbove));
    const configuration = this.#configuration(node);
    const reload = (): Promise<ReloadOutcome> => this.#reload(configuration);
    await this.#rotation?.attach(this.#parts, node, this.#supervisor);
    const rpcServer = this.#rpcServer;
    const operations = new Operations(this.#parts.clock);
    if (rpcServer !== null) {
      const view = nodeView({
        parts: this.#parts,
        node,
        discovery: this.#discovery,
        supervisor: this.#supervisor,
        operations,
        startedAtMs,
        reload,
        configuration,
      });
      await this.#steps.step(
        "rpc",
        () => rpcServer.start(view),
        (_, hurry) => this.#stopRpc(rpcServer, hurry),
      );
    }
    const { clock, events } = this.#parts;
    const watch = new WarningWatch(events, () => warnings({ parts: this.#parts, node }));
    this.#supervisor.start("warnings", "restart", (signal) => watch.run(clock, signal));
    this.#giveSignsOfLife(node);
    let reloads = 0;
    signals.onReload(() => {
      reloads += 1;
      // A task, so that the shutdown waits for it; one that fails is logged by the supervisor.
      this.#supervisor.start(`reload-${reloads}`, "once", async () => {
        await audited(this.#parts.audit, "SIGHUP", "daemon.reload", () =>
          operations.run("daemon.reload", reload),
        );
      });
    });
  }

  #giveSignsOfLife({ reconciler, self, store }: RunningNode): void {
    const { managed, clock, log, options } = this.#parts;
    if (managed === undefined) return;
    const signs = new SignsOfLife({
      managed,
      notify: this.#notify,
      status: () => {
        const peers = store.list();
        const connected = peers.filter((peer) => isConnected(peer.lastHandshakeMs, clock.wallMs())).length;
        return `${options.interfaceName} is up at ${self.snapshot.meshIp}, ${connected} of ${peers.length} peers connected`;
      },
      progress: () => reconciler.lastReport(),
      log,
    });
    this.#supervisor.start("service", "restart", (signal) => signs.run(clock, signal));
  }

  /** All or nothing: the files of the RPC server are checked before anything is changed. */
  async #reload(configuration: LiveConfiguration): Promise<ReloadOutcome> {
    const apply = await this.#rpcServer?.prepareReload();
    const outcome = await configuration.reload();
    return { ...outcome, changed: [...outcome.changed, ...(apply?.() ?? [])] };
  }

  /** What was asked for over RPC is there already, with who asked. */
  #auditStop(): void {
    const { signals, audit } = this.#parts;
    const { stoppedBy: signal } = signals;
    if (!this.#started) return;
    if (this.#failure !== null) {
      const params = { reason: this.#failure.message };
      audit.note({ action: "daemon.stop", actor: { kind: "daemon" }, params, outcome: this.#failure.code });
    } else if (signal !== null) {
      audit.note({ action: "daemon.stop", actor: { kind: "signal", signal }, params: {}, outcome: "ok" });
    }
  }

  #stopRpc(rpcServer: RpcServer, hurry: AbortSignal): Promise<void> {
    const { rpcStopMs } = { ...defaultTiming, ...this.#parts.timing };
    return rpcServer.stop(hurry.aborted ? 0 : rpcStopMs);
  }

  #configuration({
    self,
    ownNetworks: networks,
    reconciler,
    routing,
    store,
  }: RunningNode): LiveConfiguration {
    const { options, configuration, setLogLevel, setLogLimits, log, events, machine } = this.#parts;
    const given = configurationOf(options);
    return new LiveConfiguration({
      source: configuration ?? { initial: given, load: () => given },
      reloadFile: reloadFilePath(options),
      appliers: liveAppliers({
        ...{ self, networks, reconciler, routing, setLogLevel, setLogLimits, store },
        setMemoryLimit: (bytes) => machine.memory.setLimit(bytes),
        discovery: this.#discovery,
      }),
      settle: async () => {
        await reconciler.runOnce();
        this.#discovery?.announce();
      },
      notify: this.#notify,
      log,
      events,
    });
  }

  #stopRequested(): Promise<null> {
    const { stopSignal } = this.#parts.signals;
    return new Promise((resolve) => {
      if (stopSignal.aborted) resolve(null);
      else stopSignal.addEventListener("abort", () => resolve(null), { once: true });
    });
  }
}
