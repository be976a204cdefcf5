/**
 * The methods by name. `daemon.stop` stays free: the Go peer answers it as unknown, and a client may probe for that.
 */
import { WgmeshError } from "../core/errors.ts";
import type { NetReport } from "../core/netReport.ts";
import { parsePublicKey } from "../core/types.ts";
import type { DaemonView } from "./daemonView.ts";
import type { Params } from "./protocol.ts";
import {
  type CountResult,
  countResult,
  type PeerPingResult,
  type PeerResult,
  type PeersResult,
  type PingResult,
  peerPingResult,
  peerResult,
  type ReloadResult,
  type ShutdownResult,
  type StatusResult,
  statusResult,
} from "./results.ts";

export interface MethodContext {
  readonly view: DaemonView;
  readonly version: string;
  /** Runs `action` once the answer to this call is on its way. */
  afterAnswer(action: () => void): void;
}

type Method = (context: MethodContext, params: Params) => unknown;

/** Name to answer, for the typed client. */
export interface MethodResults {
  "daemon.ping": PingResult;
  "daemon.status": StatusResult;
  "peers.list": PeersResult;
  "peers.get": PeerResult;
  "peers.count": CountResult;
  "peers.ping": PeerPingResult;
  "net.check": NetReport;
  "daemon.reload": ReloadResult;
  "daemon.shutdown": ShutdownResult;
}

export type MethodName = keyof MethodResults;

/** Methods that change something; who called them is logged. */
const changing: ReadonlySet<string> = new Set<MethodName>(["daemon.reload", "daemon.shutdown"]);

const methods: {
  readonly [Name in MethodName]: (
    context: MethodContext,
    params: Params,
  ) => MethodResults[Name] | Promise<MethodResults[Name]>;
} = {
  "daemon.ping": ({ version }) => ({ pong: true, version }),

  "daemon.status": ({ view }) => {
    const status = view.status();
    if (status === null) throw new WgmeshError("ERR_NOT_READY", "daemon status unavailable");
    return statusResult(status);
  },

  "peers.list": ({ view }) => ({
    peers: view
      .peers()
      .filter((peer) => view.isActive(peer))
      .map(peerResult),
  }),

  "peers.get": ({ view }, { pubkey }) => {
    if (typeof pubkey !== "string") {
      throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'pubkey' parameter");
    }
    const key = parsePublicKey(pubkey);
    const peer = view.peers().find(({ publicKey }) => publicKey === key);
    if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${pubkey}`);
    return peerResult(peer);
  },

  "peers.count": ({ view }) => countResult(view),

  "peers.ping": async ({ view }, { pubkey }) => {
    const key = typeof pubkey === "string" ? parsePublicKey(pubkey) : null;
    if (key === null) throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'pubkey' parameter");
    return peerPingResult(await view.ping(key));
  },

  "net.check": ({ view }) => view.netCheck(),

  "daemon.reload": ({ view }) => view.reload(),

  "daemon.shutdown": ({ view, afterAnswer }) => {
    afterAnswer(() => view.shutdown());
    return { stopping: true };
  },
};

/** The method of that name; throws ERR_RPC_METHOD. */
export function findMethod(name: string): Method {
  if (!Object.hasOwn(methods, name)) throw new WgmeshError("ERR_RPC_METHOD", `method not found: ${name}`);
  return methods[name as MethodName];
}

export function changesSomething(name: string): boolean {
  return changing.has(name);
}
