/**
 * The options of RPC beyond the socket of its owner, and of health and metrics over HTTP (rows F6, G8).
 */
import { isIPv4 } from "node:net";
import { WgmeshError } from "../core/errors.ts";
import { type Endpoint, endpointText } from "../core/types.ts";
import { type OptionTable, on, value } from "./optionRow.ts";
import type { Problem } from "./problem.ts";
import type { ValueParser } from "./shape.ts";
import * as values from "./values.ts";

export interface RpcOptions {
  /** Name or number of the group whose members may open the socket; null for none. */
  readonly socketGroup: string | null;
  /** Members may change things too. */
  readonly socketGroupAdmin: boolean;
  /** TCP, for callers that show a token; null for none. */
  readonly rpcListen: Endpoint | null;
  /** PEM files; null for none. */
  readonly rpcCert: string | null;
  readonly rpcKey: string | null;
  readonly rpcTokens: string | null;
  /** Of `/healthz`, `/health` and `/metrics`; null for none. */
  readonly httpListen: Endpoint | null;
}

const GROUP = /^(\d{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,31})$/;

const groupName: ValueParser<string> = (text, source) => {
  if (GROUP.test(text)) return text;
  throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(text)} is not the name of a group`);
};

/** A port alone, with or without a colon before it, means loopback. */
const listenAddress: ValueParser<Endpoint> = (text, source) => {
  const alone = /^:?(\d+)$/.exec(text)?.[1];
  return alone === undefined
    ? values.endpoint(text, source)
    : { host: "127.0.0.1", port: values.port(alone, source) };
};

export const rpcOptions: OptionTable<RpcOptions> = {
  socketGroup: {
    flag: "--socket-group",
    group: "RPC",
    help: "members of this group may look at the daemon through its socket (mode 0660)",
    default: null,
    form: value("GROUP", groupName),
  },
  socketGroupAdmin: {
    flag: "--socket-group-admin",
    group: "RPC",
    help: "members of --socket-group may change things too",
    default: false,
    form: on,
  },
  rpcListen: {
    flag: "--rpc-listen",
    group: "RPC",
    help: "answer RPC on this TCP address too, with TLS, to callers that show a token; a port alone is on 127.0.0.1",
    example: "192.0.2.7:7400",
    default: null,
    form: value("ADDRESS", listenAddress),
  },
  rpcCert: {
    flag: "--rpc-cert",
    group: "RPC",
    help: "certificate of --rpc-listen and those between it and its root, PEM; read again by a reload",
    example: "/etc/wgmesh/rpc.crt",
    default: null,
    form: value("FILE", values.path),
  },
  rpcKey: {
    flag: "--rpc-key",
    group: "RPC",
    help: "private key of --rpc-cert, PEM; read again by a reload",
    example: "/etc/wgmesh/rpc.key",
    default: null,
    form: value("FILE", values.path),
  },
  rpcTokens: {
    flag: "--rpc-tokens",
    group: "RPC",
    help: "who may call at --rpc-listen: lines that 'wgmesh token new' prints; read again by a reload",
    example: "/etc/wgmesh/rpc.tokens",
    default: null,
    form: value("FILE", values.path),
  },
  httpListen: {
    flag: "--http-listen",
    alias: "--metrics",
    group: "RPC",
    help: "answer /healthz, /health and /metrics on this TCP address; a port alone is on 127.0.0.1",
    example: "127.0.0.1:9100",
    default: null,
    form: value("ADDRESS", listenAddress),
  },
};

/** What nobody outside of this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || (isIPv4(host) && host.startsWith("127.")) || host === "::1";
}

/** What is wrong with a listener without what guards it. `place` names where the value of a key stands. */
export function rpcContradictions(options: RpcOptions, place: (key: string) => string): Problem[] {
  const { rpcListen, httpListen, rpcCert, rpcKey, rpcTokens, socketGroup, socketGroupAdmin } = options;
  const problems: Problem[] = [];
  const complain = (key: string, message: string, hint: string): void =>
    void problems.push({ code: "ERR_USAGE", message: `${place(key)}: ${message}`, hint });
  if (socketGroupAdmin && socketGroup === null) {
    complain("socket-group-admin", "there is no group", "name the group with --socket-group");
  }
  if (rpcCert !== null && rpcKey === null) {
    complain("rpc-cert", "a certificate without --rpc-key", "give both files, or neither");
  }
  if (rpcKey !== null && rpcCert === null) {
    complain("rpc-key", "a key without --rpc-cert", "give both files, or neither");
  }
  if (rpcListen !== null && rpcTokens === null) {
    const hint = "give the file with --rpc-tokens; 'wgmesh token new NAME' makes a token and its line";
    complain("rpc-listen", "there are no tokens of those who may call", hint);
  }
  if (rpcTokens === null || rpcCert !== null) return problems;
  // Without TLS a token is not asked for where others may listen: who shows it has lost it.
  for (const [key, listen] of [
    ["rpc-listen", rpcListen],
    ["http-listen", httpListen],
  ] as const) {
    if (listen === null || isLoopback(listen.host)) continue;
    const message = `${endpointText(listen)} can be reached from outside: tokens would travel readable`;
    complain(key, message, "add --rpc-cert and --rpc-key, or listen on 127.0.0.1");
  }
  return problems;
}
