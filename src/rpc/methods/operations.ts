/**
 * Long operations: what is under way, and how to end it.
 */
import { WgmeshError } from "../../core/errors.ts";
import type { OperationState } from "../../core/operations.ts";
import { timeText } from "../results.ts";
import type { MethodRows } from "./method.ts";

export interface OperationResult {
  readonly id: number;
  readonly kind: string;
  readonly state: OperationState;
  /** From 0 to 1; null when it cannot be told. */
  readonly progress: number | null;
  readonly detail: string;
  /** RFC 3339, seconds. */
  readonly started: string;
  readonly duration_ms: number;
  readonly cancellable: boolean;
}

export interface OperationsResult {
  /** The oldest first. */
  readonly operations: readonly OperationResult[];
}

export interface CancelResult {
  readonly cancelling: true;
}

export const operationsMethods = {
  "operations.list": {
    role: "readonly",
    call: ({ view }): OperationsResult => ({
      operations: view.operations().map(({ startedAtMs, durationMs, ...operation }) => ({
        id: operation.id,
        kind: operation.kind,
        state: operation.state,
        progress: operation.progress,
        detail: operation.detail,
        started: timeText(startedAtMs),
        duration_ms: durationMs,
        cancellable: operation.cancellable,
      })),
    }),
  },

  "operations.cancel": {
    role: "admin",
    changing: true,
    call: ({ view }, { id }): CancelResult => {
      if (typeof id !== "number")
        throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'id' parameter");
      view.cancelOperation(id);
      return { cancelling: true };
    },
  },
} as const satisfies MethodRows;
