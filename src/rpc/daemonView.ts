/**
 * What the RPC server asks of the daemon, one interface an area (views/). The daemon implements it (daemon/views/); rpc/ never
 * imports the daemon.
 */
import type { ClientsView } from "./views/clients.ts";
import type { ConfigView } from "./views/config.ts";
import type { ControlView } from "./views/control.ts";
import type { DebugView } from "./views/debug.ts";
import type { HealthView } from "./views/health.ts";
import type { NetView } from "./views/net.ts";
import type { OperationsView } from "./views/operations.ts";
import type { PeersView } from "./views/peers.ts";
import type { RotationView } from "./views/rotation.ts";
import type { SeeingView } from "./views/seeing.ts";
import type { StatusView } from "./views/status.ts";

export type { DepartedView, PeerView, PingOutcome } from "./views/peers.ts";
export type { DaemonStatus } from "./views/status.ts";

/** Functions that need no `this`: the daemon joins the areas by spreading them. */
export interface DaemonView
  extends StatusView,
    PeersView,
    ClientsView,
    NetView,
    ControlView,
    ConfigView,
    SeeingView,
    HealthView,
    OperationsView,
    RotationView,
    DebugView {}

/** The RPC server as the daemon sees it (row C8): injected with `setRpcServer`. */
export interface RpcServer {
  start(view: DaemonView): Promise<void>;
  /** Reads what a reload may change; the returned function puts it to use and names it. Rejects with what is wrong with it. */
  prepareReload(): Promise<() => string[]>;
  /** Stops listening, lets calls in flight finish (up to `deadlineMs`), removes the socket. */
  stop(deadlineMs: number): Promise<void>;
}
