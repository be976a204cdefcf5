/**
 * Long operations (core/operations.ts).
 */
import type { Operation } from "../../core/operations.ts";

export interface OperationsView {
  operations(): Operation[];
  /** Throws ERR_OPERATION. */
  cancelOperation(id: number): void;
}
