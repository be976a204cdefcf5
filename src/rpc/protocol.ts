/**
 * JSON-RPC 2.0 as lines (PROTOCOL.md section 15): text in, text out, no sockets.
 *
 * Where the Go peer and the standard disagree the Go peer wins: a request without `id` is answered, a batch is a parse error,
 * `params` is an object or absent.
 */
import { type ErrorCode, errorTable, WgmeshError } from "../core/errors.ts";

/** A line of this many bytes, its LF not counted, or more ends the connection. */
export const MAX_LINE_BYTES = 65_536;

/** No request of ours nests deeper than 3. */
const MAX_DEPTH = 16;

export type RequestId = string | number | null;
export type Params = Readonly<Record<string, unknown>>;

export interface Request {
  readonly id: RequestId;
  readonly method: string;
  readonly params: Params;
}

/** A request, or the error to answer with and the id to answer to. */
export type Parsed =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: RequestId; readonly error: WgmeshError };

/** The error member of an answer. `data` is ours; the Go peer's clients ignore it. */
export interface ErrorBody {
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly code: ErrorCode; readonly hint: string };
}

export type Response =
  | { readonly jsonrpc: "2.0"; readonly result: unknown; readonly id: RequestId }
  | { readonly jsonrpc: "2.0"; readonly error: ErrorBody; readonly id: RequestId };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is RequestId | undefined =>
  value === undefined || value === null || typeof value === "string" || typeof value === "number";

/** Reads one line without its LF. Never throws. */
export function parseRequest(line: string): Parsed {
  const unreadable = (reason: string): Parsed => ({
    ok: false,
    id: null,
    error: new WgmeshError("ERR_RPC_PARSE", `parse error: ${reason}`),
  });
  if (nestsDeeperThan(MAX_DEPTH, line)) return unreadable(`nested deeper than ${MAX_DEPTH}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return unreadable("not JSON");
  }
  if (!isObject(value)) return unreadable("not one object");
  const { jsonrpc = "", method = "", params, id } = value;
  if (typeof jsonrpc !== "string" || typeof method !== "string")
    return unreadable("jsonrpc and method are text");
  if (params !== undefined && params !== null && !isObject(params)) return unreadable("params is an object");
  if (!isId(id)) return unreadable("id is text or a number");
  if (jsonrpc !== "2.0") {
    const error = new WgmeshError("ERR_RPC_REQUEST", "invalid jsonrpc version, must be 2.0");
    return { ok: false, id: id ?? null, error };
  }
  return { ok: true, request: { id: id ?? null, method, params: params ?? {} } };
}

/** Counts brackets outside of strings; stops at the first one too deep, so hostile text costs one pass at most. */
function nestsDeeperThan(limit: number, text: string): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === "[" || token === "{") depth += 1;
    else if (token === "]" || token === "}") depth -= 1;
    if (depth > limit) return true;
  }
  return false;
}

export function resultResponse(id: RequestId, result: unknown): Response {
  return { jsonrpc: "2.0", result, id };
}

/** What nobody foresaw is answered without its text, which may name things the caller need not see; the log has it. */
export function errorResponse(id: RequestId, error: unknown): Response {
  const known = error instanceof WgmeshError ? error : new WgmeshError("ERR_INTERNAL", "internal error");
  const data = { code: known.code, hint: known.hint };
  return { jsonrpc: "2.0", error: { code: known.rpcCode, message: known.message, data }, id };
}

/** The error an answer stands for. A code without our `data` comes from a Go daemon. */
export function errorFromBody(body: ErrorBody): WgmeshError {
  const code = body.data?.code;
  if (code !== undefined && Object.hasOwn(errorTable, code)) {
    return new WgmeshError(code, body.message, { hint: String(body.data?.hint) });
  }
  if (body.code === -32602 && body.message.startsWith("peer not found")) {
    return new WgmeshError("ERR_PEER_UNKNOWN", body.message);
  }
  if (body.code === -32601) return new WgmeshError("ERR_RPC_METHOD", body.message);
  return new WgmeshError("ERR_INTERNAL", `${body.message} (${body.code})`, {
    hint: "look at the daemon's log",
  });
}
