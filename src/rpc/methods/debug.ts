/**
 * For those who look for a fault.
 */
import { WgmeshError } from "../../core/errors.ts";
import { type PublicKey, parsePublicKey } from "../../core/types.ts";
import type { Params } from "../protocol.ts";
import { timeText } from "../results.ts";
import type { ProfileKind } from "../views/debug.ts";
import type { MethodRows } from "./method.ts";

export interface ReconcileResult {
  readonly duration_ms: number;
  readonly changes: number;
  readonly error: string | null;
  readonly failing: readonly { readonly object: string; readonly reason: string; readonly since: string }[];
}

export interface QueuesResult {
  readonly queues: Readonly<Record<string, number>>;
}

export interface DumpResult {
  readonly state: Readonly<Record<string, unknown>>;
}

export interface ProfileResult {
  /** JSON, as the tools of V8 read it. */
  readonly profile: string;
}

/** A call ends after 30 s. */
const MAX_SECONDS = 25;

export const debugMethods = {
  "reconcile.run": {
    role: "admin",
    changing: true,
    call: async ({ view }, { peer }): Promise<ReconcileResult> => {
      const { durationMs, changes, error, failing } = await view.reconcileNow(...optionalKey(peer));
      return {
        duration_ms: durationMs,
        changes,
        error,
        failing: failing.map(({ object, reason, sinceMs }) => ({ object, reason, since: timeText(sinceMs) })),
      };
    },
  },

  "debug.queues": {
    role: "readonly",
    call: ({ view }): QueuesResult => ({ queues: view.queues() }),
  },

  "debug.dump": {
    role: "admin",
    call: ({ view }): DumpResult => ({ state: view.dumpState() }),
  },

  "debug.profile": {
    role: "admin",
    changing: true,
    call: async ({ view }, params): Promise<ProfileResult> => ({
      profile: await view.profile(kindOf(params), secondsOf(params)),
    }),
  },
} as const satisfies MethodRows;

function optionalKey(peer: unknown): [] | [PublicKey] {
  if (peer === undefined) return [];
  const key = typeof peer === "string" ? parsePublicKey(peer) : null;
  if (key === null) throw new WgmeshError("ERR_RPC_PARAMS", "parameter 'peer' is a public key");
  return [key];
}

function kindOf({ kind }: Params): ProfileKind {
  if (kind === "cpu" || kind === "heap") return kind;
  throw new WgmeshError("ERR_RPC_PARAMS", "parameter 'kind' is cpu or heap");
}

function secondsOf({ seconds = 5 }: Params): number {
  if (typeof seconds === "number" && seconds > 0 && seconds <= MAX_SECONDS) return seconds;
  throw new WgmeshError("ERR_RPC_PARAMS", `parameter 'seconds' is a number up to ${MAX_SECONDS}`);
}
