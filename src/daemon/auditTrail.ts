/**
 * Who is behind what the audit notes: names for the numbers the kernel gives.
 */
import { readFileSync } from "node:fs";
import { schema } from "../config/schema.ts";
import type { Audit, AuditActor, AuditEntry } from "../core/audit.ts";
import { WgmeshError } from "../core/errors.ts";
import type { AuditRecord } from "../rpc/audit.ts";
import type { Params } from "../rpc/protocol.ts";

/** What /proc says for a process that nobody logged in for. */
const NO_LOGIN = "4294967295";

/** The entry for a call over RPC. Reads two small files for a caller of the socket. */
export function auditEntryOf({ caller, method, params, outcome }: AuditRecord): Omit<AuditEntry, "time"> {
  const actor: AuditActor =
    caller.kind === "token" ? { kind: "token", name: caller.name } : actorOf(caller.uid, caller.pid);
  return { action: method, actor, params: method === "config.set" ? knownSettings(params) : params, outcome };
}

const NOT_KEPT = "[not kept]";

/** A value that is no setting's, or none that can be set, may be anything: a secret under a mistyped name. Its key alone is kept. */
function knownSettings(params: Params): Params {
  const { settings } = params;
  if (typeof settings !== "object" || settings === null) return { ...params, settings: NOT_KEPT };
  const known = (key: string): boolean => ["live", "restart"].includes(schema.get(key)?.reload ?? "");
  const kept = Object.entries(settings).map(([key, value]) => [key, known(key) ? value : NOT_KEPT]);
  return { ...params, settings: Object.fromEntries(kept) as Params };
}

/** This process, which somebody started. */
export function processActor(pid: number): AuditActor {
  return actorOf(process.geteuid?.() ?? 0, pid);
}

/** Runs what a signal asked for, and notes how it ended. */
export async function audited<T>(
  audit: Audit,
  signal: string,
  action: string,
  run: () => Promise<T>,
): Promise<T> {
  const note = (outcome: AuditEntry["outcome"]): void =>
    audit.note({ action, actor: { kind: "signal", signal }, params: {}, outcome });
  try {
    const result = await run();
    note("ok");
    return result;
  } catch (error) {
    note(error instanceof WgmeshError ? error.code : "ERR_INTERNAL");
    throw error;
  }
}

function actorOf(uid: number, pid: number): AuditActor {
  const loginUid = readOrEmpty(`/proc/${pid}/loginuid`).trim();
  const login =
    loginUid === "" || loginUid === NO_LOGIN || Number(loginUid) === uid ? null : Number(loginUid);
  const users = readOrEmpty("/etc/passwd");
  return {
    kind: "process",
    uid,
    user: userName(users, uid),
    login: login === null ? null : (userName(users, login) ?? String(login)),
    pid,
  };
}

/** From the text of /etc/passwd (passwd(5)). */
function userName(users: string, uid: number): string | null {
  const line = users.split("\n").find((entry) => entry.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? null;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
