import type { OperationsView } from "../../rpc/views/operations.ts";
import type { ViewParts } from "./viewParts.ts";

export function operationsView({ operations }: ViewParts): OperationsView {
  return {
    operations: () => operations.list(),
    cancelOperation: (id) => operations.cancel(id),
  };
}
