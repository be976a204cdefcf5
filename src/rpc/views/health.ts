/**
 * Whether the node is well, and its metrics.
 */
import type { Health } from "../../observe/health.ts";

export interface HealthView {
  health(): Health;
  /** As Prometheus reads them. */
  metrics(): { readonly contentType: string; readonly text: string };
}
