/**
 * Health and metrics over HTTP (row F6), for tools that know nothing else. On loopback as it is; elsewhere with the certificate and the
 * tokens of RPC, where there are any.
 */
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { isLoopback } from "../config/rpcOptions.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Endpoint } from "../core/types.ts";
import type { Credentials } from "./credentials.ts";
import type { DaemonView } from "./daemonView.ts";
import type { Gate } from "./gate.ts";
import { type Door, listenAt } from "./listenAt.ts";

export interface HttpDoorOptions {
  readonly listen: Endpoint;
  readonly secure: Credentials["secure"];
  readonly gate: Gate | null;
  readonly view: DaemonView;
  readonly log: Log;
  readonly onError: (error: Error) => void;
  /** Asked for each connection; those beyond it, or beyond {@link MAX_CONNECTIONS}, are closed at once. */
  readonly spareConnections: () => number;
}

const LIMITS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
};
/** How often node:http looks at those times. */
const CHECK_EVERY_MS = 1_000;
const MAX_CONNECTIONS = 64;

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

/** Rejects with ERR_SYSTEM for an address that cannot be had. */
export async function openHttpDoor(options: HttpDoorOptions): Promise<Door> {
  const settings = { ...LIMITS, connectionsCheckingInterval: CHECK_EVERY_MS };
  const open = isLoopback(options.listen.host);
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const page = pageFor(request, options, open);
    const isWhole = request.method === "GET" || request.method === "HEAD";
    response.writeHead(page.status, {
      "content-type": page.type,
      "content-length": Buffer.byteLength(page.body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(page.status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...(page.status === 405 ? { allow: "GET, HEAD" } : {}),
      // What a request that is not ours brings along is not read.
      ...(isWhole ? {} : { connection: "close" }),
    });
    response.end(request.method === "HEAD" ? "" : page.body);
  };
  const { secure } = options;
  const server =
    open || secure === null
      ? http.createServer(settings, answer)
      : https.createServer({ ...settings, ...secure, minVersion: "TLSv1.3" }, answer);
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("connection", (socket) => {
    server.getConnections((_error, count) => {
      if (count > Math.min(MAX_CONNECTIONS, options.spareConnections())) socket.destroy();
    });
  });
  const door = await listenAt(server, options.listen, "--http-listen", options.onError);
  return {
    ...door,
    close: () => {
      door.close();
      server.closeAllConnections();
    },
  };
}

function pageFor(request: http.IncomingMessage, options: HttpDoorOptions, open: boolean): Page {
  const { view, gate, log } = options;
  if (request.method !== "GET" && request.method !== "HEAD") return textPage(405, "only GET and HEAD");
  // A page in a browser of this machine could give its own name our address, and read what is here.
  if (open && !isOwnName(request.headers.host ?? "")) return textPage(421, "not a name of this server");
  if (!open && gate !== null && !isAllowed(request, gate))
    return textPage(401, "show a token: Authorization: Bearer …");
  try {
    const [path] = (request.url ?? "/").split("?");
    if (path === "/healthz" || path === "/health") {
      const health = view.health();
      const status = health.state === "fail" ? 503 : 200;
      return { status, type: JSON_TYPE, body: `${JSON.stringify(health, null, 2)}\n` };
    }
    if (path === "/metrics") {
      const { contentType, text } = view.metrics();
      return { status: 200, type: contentType, body: text };
    }
    return textPage(404, "there are /healthz, /health and /metrics");
  } catch (error) {
    log.error({ path: request.url ?? "", reason: messageOf(error) }, "HTTP request failed");
    return textPage(500, "internal error");
  }
}

const textPage = (status: number, text: string): Page => ({ status, type: TEXT, body: `${text}\n` });

function isOwnName(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isIP(name) !== 0;
}

function isAllowed(request: http.IncomingMessage, gate: Gate): boolean {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) return false;
  try {
    gate.callerAt(request.socket.remoteAddress ?? "", token);
    return true;
  } catch {
    return false;
  }
}
